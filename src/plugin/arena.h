// plugin/arena.h
//
// Memory that is handed out piece by piece and taken back all at once, after each batch. What a
// plugin writes lives here. One thread. Bounded: allocate() answers nullptr at the limit.

#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace backfill {

class Arena {
 public:
  // A batch's output beyond this is asked for again in smaller pieces.
  static constexpr std::size_t default_bytes_max = std::size_t{256} << 20;

  explicit Arena(std::size_t bytes_max = default_bytes_max) : bytes_max_(bytes_max) {}

  // Aligned for every type. nullptr when the limit or the machine's memory is reached.
  void* allocate(std::size_t size) noexcept {
    if (size > bytes_max_) return refuse();
    const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
    while (current_ < blocks_.size()) {
      Block& block = blocks_[current_];
      if (block.size - used_ >= rounded) {
        void* bytes = block.bytes.get() + used_;
        used_ += rounded;
        return bytes;
      }
      ++current_;
      used_ = 0;
    }
    return allocate_in_new_block(rounded);
  }

  // Everything handed out is gone. Keeps enough memory for the next batch of usual size.
  void reset() noexcept {
    while (held_ > kept_bytes_max && blocks_.size() > 1) {
      held_ -= blocks_.back().size;
      blocks_.pop_back();
    }
    current_ = 0;
    used_ = 0;
    is_exhausted_ = false;
  }

  // Whether an allocate() since the last reset() was refused.
  bool is_exhausted() const { return is_exhausted_; }

 private:
  static constexpr std::size_t alignment = alignof(std::max_align_t);
  static constexpr std::size_t block_bytes_first = std::size_t{64} << 10;
  static constexpr std::size_t block_bytes_max = std::size_t{4} << 20;
  static constexpr std::size_t kept_bytes_max = std::size_t{32} << 20;

  struct Block {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };

  void* allocate_in_new_block(std::size_t rounded) noexcept {
    std::size_t size = blocks_.empty() ? block_bytes_first : blocks_.back().size * 2;
    if (size > block_bytes_max) size = block_bytes_max;
    if (size < rounded) size = rounded;
    if (size > bytes_max_ - held_) size = rounded;
    if (size > bytes_max_ - held_) return refuse();
    try {
      blocks_.push_back({std::unique_ptr<char[]>(new char[size]), size});
    } catch (const std::bad_alloc&) {
      return refuse();
    }
    held_ += size;
    current_ = blocks_.size() - 1;
    used_ = rounded;
    return blocks_.back().bytes.get();
  }

  void* refuse() noexcept {
    is_exhausted_ = true;
    return nullptr;
  }

  std::size_t bytes_max_;
  std::vector<Block> blocks_;
  std::size_t held_ = 0;     // bytes of all blocks
  std::size_t current_ = 0;  // the block that is being filled
  std::size_t used_ = 0;     // of that block
  bool is_exhausted_ = false;
};

}  // namespace backfill
