// load_plugin FILE.so COLUMN OUTPUT: loads a plugin as backfill does and prints its name and
// version and which of the two text columns it reads and fills.

#include <cstdio>
#include <exception>

#include "plugin/plugin_transform.h"

namespace {

backfill::Column text_column(const char* name) {
  backfill::Column column;
  column.name = name;
  column.type = "text";
  column.kind = backfill::Kind::text;
  return column;
}

}  // namespace

int main(int count, char** arguments) {
  using namespace backfill;
  if (count != 4) return 2;
  try {
    const auto plugin = Plugin::open(arguments[1], ".");
    PluginOffer offer;
    offer.job = "install-check";
    offer.columns = {{text_column(arguments[2]), "", true}};
    offer.target = {text_column(arguments[3])};
    const PluginColumns columns = bind_columns(*plugin, offer);
    std::printf("%s %s reads %zu fills %zu\n", plugin->name().c_str(), plugin->version().c_str(),
                columns.inputs.size(), columns.outputs.size());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
