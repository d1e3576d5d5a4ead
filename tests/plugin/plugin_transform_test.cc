#include "plugin/plugin_transform.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace backfill {
namespace {

std::shared_ptr<const Plugin> open_plugin(const std::string& name) {
  return Plugin::open(std::string(BACKFILL_TEST_PLUGINS) + "/" + name + ".so", "/");
}

Column text_column(const std::string& name, bool dynamic = false) {
  Column column;
  column.name = name;
  column.type = "text";
  column.kind = Kind::text;
  column.dynamic = dynamic;
  return column;
}

// id, name → id, name_upper; `id` is the key.
PluginOffer offer(bool dynamic = false) {
  PluginOffer offer;
  offer.job = "test";
  offer.columns = {{text_column("id", dynamic), "", true},
                   {text_column("name", dynamic), "", true}};
  offer.target = {text_column("id"), text_column("name_upper")};
  return offer;
}

Layout layout(const PluginOffer& offered) {
  Layout made;
  made.read = offered.columns;
  made.read.push_back({text_column("xmin"), "xmin", false});
  made.read_key = {0};
  made.plugin_inputs = {1};
  WriteColumn key{text_column("id"), text_column("id"), WriteColumn::Role::key, 0, -1};
  WriteColumn value{text_column("name_upper"), text_column("name_upper"), WriteColumn::Role::value,
                    -1, 0};
  made.write = {key, value};
  return made;
}

void append_row(Batch& batch, const std::string& id, const char* name) {
  batch.begin_tuple(3);
  batch.append_field(id);
  name == nullptr ? batch.append_null() : batch.append_field(name);
  batch.append_field("xmin");
}

// `id name_upper` of every output row.
std::vector<std::string> written(const Transformed& output) {
  std::vector<std::string> rows;
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < output.rows.rows(); ++i) {
    read_cells(output.rows.tuple(i), 2, cells);
    rows.push_back(std::string(cells[0].view()) + " " +
                   (cells[1].is_null() ? "NULL" : std::string(cells[1].view())));
  }
  return rows;
}

// What opening or applying says when it refuses, with its exit code in front.
template <class Call>
std::string refusal(Call call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.exit_code())) + " " + error.what();
  }
}

TEST(BindColumns, TellsWhatThePluginReadsAndFills) {
  const PluginColumns columns = bind_columns(*open_plugin("upper_name"), offer());

  EXPECT_EQ(columns.inputs, std::vector<int>{1});
  ASSERT_EQ(columns.outputs.size(), 1U);
  EXPECT_EQ(columns.outputs[0].target, 1);
  EXPECT_EQ(columns.outputs[0].kind, Kind::text);
}

TEST(BindColumns, HandsOnThePluginsReason) {
  PluginOffer without = offer();
  without.columns[1].column.name = "nam";
  PluginOffer with_option = offer();
  with_option.options = {{"locale", "en"}};

  EXPECT_EQ(refusal([&] { bind_columns(*open_plugin("upper_name"), without); }),
            "3 plugin upper_name refuses job test: no source column name; did you mean nam?");
  EXPECT_EQ(refusal([&] { bind_columns(*open_plugin("upper_name"), with_option); }),
            "3 plugin upper_name refuses job test: unknown option transform.options.locale; "
            "known are: none");
  EXPECT_EQ(refusal([&] { bind_columns(*open_plugin("throws_when_opened"), offer()); }),
            "3 plugin throws_when_opened refuses job test: the moon is full");
  EXPECT_EQ(refusal([&] { bind_columns(*open_plugin("silent_refusal"), offer()); }),
            "3 plugin bare refuses job test: it gave no reason");
}

TEST(BindColumns, RefusesWishesThatCannotBe) {
  EXPECT_EQ(refusal([] { bind_columns(*open_plugin("wants_too_much"), offer()); }),
            "3 plugin bare wants source column 2 of 2; mend the plugin");
  EXPECT_EQ(refusal([] { bind_columns(*open_plugin("fills_twice"), offer()); }),
            "3 plugin bare fills id twice; mend the plugin");
}

TEST(PluginTransform, AnswersEachRowByItsVerdict) {
  PluginTransform transform(open_plugin("upper_name"), offer(), layout(offer()));
  Batch input;
  append_row(input, "1", "ada");
  append_row(input, "2", "skip");
  append_row(input, "3", nullptr);
  append_row(input, "4", "reject");
  append_row(input, "5", "throw");
  append_row(input, "6", "");
  Transformed output;

  transform.apply(input, output);

  EXPECT_EQ(written(output), (std::vector<std::string>{"1 ADA", "3 NULL", "6 "}));
  EXPECT_EQ(output.input_rows, (std::vector<std::uint32_t>{0, 2, 5}));
  EXPECT_EQ(output.skipped, 1);
  ASSERT_EQ(output.rejects.size(), 2U);
  EXPECT_EQ(output.rejects[0].input_row, 3U);
  EXPECT_EQ(output.rejects[0].reason, "asked to");
  EXPECT_EQ(output.rejects[1].reason, "asked to throw");
}

TEST(PluginTransform, AnswersBatchAfterBatch) {
  PluginTransform transform(open_plugin("upper_name"), offer(), layout(offer()));
  Transformed output;

  for (const int rows : {1000, 3, 0, 2000}) {
    Batch input;
    for (int i = 0; i < rows; ++i) append_row(input, std::to_string(i), "ada");
    transform.apply(input, output);

    ASSERT_EQ(output.rows.rows(), static_cast<std::size_t>(rows));
    for (const std::string& row : written(output)) ASSERT_TRUE(row.ends_with(" ADA"));
  }
}

TEST(PluginTransform, ReadsDynamicCellsByTheirOwnType) {
  const PluginOffer dynamic = offer(true);
  PluginTransform transform(open_plugin("upper_name"), dynamic, layout(dynamic));
  Batch input;
  for (const bool is_text : {true, false}) {
    input.begin_tuple(3);
    input.append_dynamic(Kind::text, "7");
    if (is_text) input.append_dynamic(Kind::text, "ada");
    if (!is_text) input.append_dynamic(Kind::int64, std::string(8, '\1'));
    input.append_field("xmin");
  }
  Transformed output;

  transform.apply(input, output);

  EXPECT_EQ(output.rows.rows(), 1U);
  EXPECT_EQ(output.input_rows, std::vector<std::uint32_t>{0});
  ASSERT_EQ(output.rejects.size(), 1U);
  EXPECT_EQ(output.rejects[0].reason, "column name holds int64, not text");
}

TEST(PluginTransform, FailsWithThePluginsReasonOnOneLine) {
  PluginTransform transform(open_plugin("upper_name"), offer(), layout(offer()));
  Batch input;
  append_row(input, "1", "stop");
  Transformed output;

  EXPECT_EQ(refusal([&] { transform.apply(input, output); }),
            "1 plugin upper_name gave up on a batch of 1 rows: asked to stop");
}

TEST(PluginTransform, AsksForLessWhenTheOutputOutgrowsTheArena) {
  PluginTransform transform(open_plugin("upper_name"), offer(), layout(offer()), 8 << 10);
  const std::string name(6 << 10, 'a');
  Batch two;
  append_row(two, "1", name.c_str());
  append_row(two, "2", name.c_str());
  Batch one;
  append_row(one, "1", name.c_str());
  Transformed output;

  try {
    transform.apply(two, output);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::too_large);
  }
  transform.apply(one, output);
  EXPECT_EQ(output.rows.rows(), 1U);
}

TEST(PluginTransform, RefusesAnswersThatBreakTheContract) {
  const auto answer = [](const std::string& plugin, Kind kind, std::vector<int> inputs) {
    return refusal([&] {
      Layout made = layout(offer());
      made.plugin_inputs = std::move(inputs);
      made.write[1].column.kind = kind;
      made.write[1].target.name = "id";
      PluginTransform transform(open_plugin(plugin), offer(), made);
      Batch input;
      append_row(input, "1", "ada");
      Transformed output;
      transform.apply(input, output);
    });
  };

  EXPECT_EQ(answer("unknown_verdict", Kind::text, {0}),
            "1 plugin bare answered a row with the unknown verdict 9");
  EXPECT_EQ(answer("wrong_length", Kind::boolean, {}),
            "1 plugin bare filled output 0 with 3 bytes, which is no boolean");
}

TEST(PluginTransform, RefusesAPluginThatWantsSomethingElseEachTime) {
  const auto plugin = open_plugin("fickle");
  const PluginColumns first = bind_columns(*plugin, offer());
  Layout made = layout(offer());
  made.plugin_inputs = {0};
  made.write[1].target = offer().target[static_cast<std::size_t>(first.outputs[0].target)];

  EXPECT_EQ(refusal([&] { PluginTransform(plugin, offer(), made); }),
            "1 plugin bare asks for other columns each time it is opened; mend the plugin");
}

TEST(PluginTransform, KeepsItsLibraryLoaded) {
  auto plugin = open_plugin("upper_name");
  PluginTransform transform(plugin, offer(), layout(offer()));
  plugin.reset();
  Batch input;
  append_row(input, "1", "ada");
  Transformed output;

  transform.apply(input, output);

  EXPECT_EQ(written(output), std::vector<std::string>{"1 ADA"});
}

}  // namespace
}  // namespace backfill
