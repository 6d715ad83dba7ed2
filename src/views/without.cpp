#include "views/without.h"

#include <algorithm>
#include <utility>

namespace merganser::views {
namespace {

class Without final : public Checkpoint {
 public:
  Without(std::shared_ptr<const Checkpoint> source, const std::vector<std::size_t>& hidden)
      : source_(std::move(source)), number_(source_->tensors().size(), npos) {
    for (std::size_t i = 0; i < number_.size(); ++i) {
      if (std::find(hidden.begin(), hidden.end(), i) != hidden.end()) continue;
      number_[i] = origin_.size();
      origin_.push_back(i);
      infos_.push_back(source_->tensors()[i]);
    }
  }

  std::span<const TensorInfo> tensors() const override { return infos_; }

  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    return source_->read(origin_[tensor], first, out);
  }

  std::vector<std::vector<std::size_t>> aliases() const override {
    std::vector<std::vector<std::size_t>> groups;
    for (const std::vector<std::size_t>& group : source_->aliases()) {
      std::vector<std::size_t> shown;
      for (const std::size_t tensor : group) {
        if (number_[tensor] != npos) shown.push_back(number_[tensor]);
      }
      if (shown.size() > 1) groups.push_back(std::move(shown));
    }
    return groups;
  }

  std::uint64_t reading_bytes() const override { return source_->reading_bytes(); }
  std::vector<SourceFile> files() const override { return source_->files(); }

 private:
  std::shared_ptr<const Checkpoint> source_;
  std::vector<TensorInfo> infos_;
  std::vector<std::size_t> origin_;  ///< Number in `source_`, by number here.
  std::vector<std::size_t> number_;  ///< Number here, by number in `source_`; npos when hidden.
};

}  // namespace

std::unique_ptr<Checkpoint> without(std::shared_ptr<const Checkpoint> checkpoint,
                                    const std::vector<std::size_t>& hidden) {
  return std::make_unique<Without>(std::move(checkpoint), hidden);
}

}  // namespace merganser::views
