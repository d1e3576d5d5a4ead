#include "verify/finding.h"

#include "core/error.h"

namespace backfill {

const char* finding_kind_name(FindingKind kind) {
  switch (kind) {
    case FindingKind::missing:
      return "missing";
    case FindingKind::extra:
      return "extra";
    case FindingKind::different:
      return "different";
  }
  return "";
}

FindingKind finding_kind_of(const std::string& name) {
  for (const FindingKind kind :
       {FindingKind::missing, FindingKind::extra, FindingKind::different}) {
    if (name == finding_kind_name(kind)) return kind;
  }
  throw Error(ErrorKind::stop, "a stored difference is of no known kind: " + name);
}

CompareCounts& CompareCounts::operator+=(const CompareCounts& other) {
  chunks += other.chunks;
  source_rows += other.source_rows;
  target_rows += other.target_rows;
  compared += other.compared;
  skipped += other.skipped;
  rejected += other.rejected;
  not_there += other.not_there;
  transient += other.transient;
  return *this;
}

}  // namespace backfill
