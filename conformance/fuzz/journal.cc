#include "conformance/fuzz/journal.h"

#include <sys/mman.h>

#include <cstring>
#include <ctime>

#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

int64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void Journal::Unmap::operator()(Page* page) const {
  munmap(page, sizeof(Page));
}

Result<Journal> Journal::Create() {
  void* memory = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Status::Errno("mmap", "journal");
  Journal journal;
  journal.page_.reset(static_cast<Page*>(memory));  // zeroes are what the members start with
  return journal;
}

double Journal::IdleSeconds() const {
  return static_cast<double>(MonotonicNs() - page_->last_ns) / 1e9;
}

void Journal::Append(const std::string& text) {
  page_->last_ns = MonotonicNs();
  const size_t at = page_->size;
  if (at + text.size() > sizeof page_->text) return;  // the rest of so long a program is not kept
  std::memcpy(page_->text + at, text.data(), text.size());
  page_->size = at + text.size();
}

void Journal::Begin(uint64_t index, const std::vector<Layer>& layers) {
  page_->size = 0;
  page_->index = index;
  Append(layermark::ToText(FuzzProgram{layers, {}}));
}

void Journal::Add(const FuzzStep& step) {
  Append("  " + layermark::ToText(step) + "\n");
}

void Journal::End() {
  page_->size = 0;
}

std::string Journal::Running() const {
  return {page_->text, page_->size.load()};
}

}  // namespace layermark
