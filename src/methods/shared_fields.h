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

/// Of votes without ranks, which have nothing else to count over.
template <auto Member>
constexpr Field majority_scope_field() {
  return field<Member>("scope", "over what the majority of signs is counted")
      .one_of("tensor", "model");
}
constexpr Field no_cut_field() { return accepted("cut", "no effect: nothing is cut here"); }

/// What dropping at random takes.
template <auto Member>
constexpr Field keep_field() {
  return field<Member>("density", "probability with which an entry of the delta stays").at_least(0);
}
template <auto Member>
constexpr Field rescale_field() {
  return field<Member>("rescale", "scale what stays, as rescale_by says");
}
/// What drops by rank take: the mean probability, and its half range in two spellings.
template <auto Member>
constexpr Field rank_keep_field() {
  return field<Member>("density",
                       "mean probability with which an entry of the delta stays; 1 keeps all, 0 "
                       "none")
      .at_least(0);
}
template <auto Member>
constexpr Field rank_rescale_by_field() {
  return field<Member>("rescale_by",
                       "l1: to the L1 norm of the whole; probability: each entry by one over its "
                       "own; none")
      .one_of("l1", "probability", "none");
}
template <auto Member>
constexpr Field epsilon_field() {
  return field<Member>("epsilon",
                       "how far the probabilities of a row's smallest and largest magnitude lie "
                       "from density");
}

namespace detail {

template <class Params>
void set_window(void* params, std::size_t input, std::size_t inputs, const Value& value) {
  static_cast<Params*>(params)->epsilon.set(input, inputs, std::get<double>(value) / 2);
}
template <class Params>
Value get_window(const void* params, std::size_t input) {
  return 2 * static_cast<const Params*>(params)->epsilon[input];
}

}  // namespace detail

template <class Params>
constexpr Field window_field() {
  Field made = field<&Params::epsilon>("window", "twice epsilon, the other way to give it");
  made.set = &detail::set_window<Params>;
  made.get = &detail::get_window<Params>;
  return made;
}

/// What a band of magnitudes takes: two shares, in two spellings each.
template <auto Member>
constexpr Field band_keep_field() {
  return field<Member>("keep", "another word for density");
}
template <auto Member>
constexpr Field band_density_field() {
  return field<Member>(
      "density", "share of entries each delta keeps, behind the largest; 1 keeps all, 0 none");
}
template <auto Member>
constexpr Field band_top_field() {
  return field<Member>("top", "another word for gamma");
}
template <auto Member>
constexpr Field band_gamma_field() {
  return field<Member>("gamma", "share of entries, the largest, that each delta drops");
}
template <auto Member>
constexpr Field band_scope_field() {
  return field<Member>(
             "scope",
             "rank magnitudes within each tensor, over the whole model, or within each row (the "
             "last axis; a vector is one row). Where both shares do not fit, less is dropped; by "
             "rows, as the authors do, less is kept")
      .one_of("tensor", "model", "row");
}
template <auto Member>
constexpr Field trim_rescale_field() {
  return field<Member>("rescale", "scale a trimmed delta to the L1 norm of the whole");
}

template <auto Member>
constexpr Field rescale_by_field() {
  return field<Member>("rescale_by",
                       "l1: to the L1 norm of the whole; probability: by 1/density; none")
      .one_of("l1", "probability", "none");
}

/// The delta from which on a model counts as having changed an entry.
template <auto Member>
constexpr Field changed_field() {
  return field<Member>("epsilon", "deltas of at most this magnitude count as no change");
}

constexpr Field int8_mask_field() {
  return accepted("int8_mask", "no effect: masks are never stored");
}

/// Variants of methods that drop at random.
inline constexpr Preset kDropPaper[]{{"rescale_by", "probability"}, {"weight", "1"}};
inline constexpr Variant kDropVariants[]{
    {"mergekit", "mergekit 0.1.5 (default)", {}},
    {"paper", "the authors' program: what stays is divided by its probability", kDropPaper}};

}  // namespace merganser::methods
