#include "bench/harness/space_meter.h"

namespace layermark {

Status SpaceMeter::Begin() {
  LM_ASSIGN(before_, CountSpace(store_));
  LM_ASSIGN(pool_before_, ReadPool(pool_));
  return Status::Ok();
}

Result<Figures> SpaceMeter::End() const {
  LM_ASSIGN(const PoolState pool, ReadPool(pool_));
  LM_ASSIGN(const SpaceCount after, CountSpace(store_));
  Figures figures = {
      {Metric::pool_bytes, static_cast<double>(pool.used_bytes - pool_before_.used_bytes)},
      {Metric::allocated_bytes, static_cast<double>(after.allocated_bytes - before_.allocated_bytes)},
      {Metric::inodes, static_cast<double>(after.inodes - before_.inodes)},
      {Metric::whiteouts, static_cast<double>(after.whiteouts - before_.whiteouts)},
      {Metric::logical_bytes, static_cast<double>(after.logical_bytes - before_.logical_bytes)}};
  if (after.extents_known) {
    figures[Metric::own_bytes] = static_cast<double>(after.own_bytes);
    figures[Metric::shared_bytes] = static_cast<double>(after.shared_bytes);
  }
  return figures;
}

}  // namespace layermark
