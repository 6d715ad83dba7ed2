#pragma once

#include "core/fields.h"

/// Parameters that mean the same in several methods, so that they read the same everywhere.
/// `Member` says where the method's Params keep the value; their defaults stay the method's own.
namespace merganser::methods {

template <auto Member>
constexpr Field lambda_field() {
  return field<Member>("lambda", "factor on the merged delta");
}

/// Weights of deltas that are added up, and the division by their sum.
template <auto Member>
constexpr Field sum_weight_field() {
  return field<Member>("weight", "factor on each delta").all_or_none();
}
template <auto Member>
constexpr Field sum_normalize_field() {
  return field<Member>("normalize", "divide by the sum of the weights");
}

/// What the vote of TIES takes.
template <auto Member>
constexpr Field vote_weight_field() {
  return field<Member>("weight", "factor on each delta, before the vote").all_or_none();
}
template <auto Member>
constexpr Field vote_normalize_field() {
  return field<Member>("normalize", "divide by the weights of the models that agree");
}
template <auto Member>
constexpr Field zero_sign_field() {
  return field<Member>("zero_sign", "sign where the mass is exactly 0")
      .one_of("positive", "majority");
}
template <auto Member>
constexpr Field aggregate_field() {
  return field<Member>("aggregate", "what becomes of the deltas that agree")
      .one_of("mean", "sum", "max");
}

/// What dropping at random takes.
template <auto Member>
constexpr Field keep_field() {
  return field<Member>("density", "probability with which an entry of the delta stays").at_least(0);
}
template <auto Member>
constexpr Field rescale_field() {
  return field<Member>("rescale", "scale what stays, as rescale_by says");
}
template <auto Member>
constexpr Field rescale_by_field() {
  return field<Member>("rescale_by",
                       "l1: to the L1 norm of the whole; probability: by 1/density; none")
      .one_of("l1", "probability", "none");
}

constexpr Field int8_mask_field() {
  return accepted("int8_mask", "no effect: masks are never stored");
}

}  // namespace merganser::methods
