#include "core/layout.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/transform.h"
#include "support/batch_builder.h"

namespace backfill {
namespace {

using Role = WriteColumn::Role;

TableFacts table(const std::string& name, const Columns& columns) {
  TableFacts facts;
  facts.name = name;
  facts.identity = name;
  facts.database_identity = "shop";
  facts.columns = columns;
  facts.key = {"id"};
  return facts;
}

// A copy of users(id, name, email) to people, of every column.
LayoutRequest copy_request() {
  LayoutRequest request;
  request.source = table("users", {int64_column("id"), text_column("name"), text_column("email")});
  request.target = table("people", request.source.columns);
  request.target_key = {"id"};
  for (const Column& column : request.source.columns) request.columns.push_back({column, "", true});
  return request;
}

// The same table on both ends, with a plugin that reads `name` and fills `email`.
LayoutRequest in_place_request() {
  LayoutRequest request = copy_request();
  request.target = request.source;
  request.mode = WriteMode::update;
  request.plugin = PluginColumns{{1}, {{2, Kind::text}}};
  return request;
}

std::string roles(const Layout& layout) {
  std::string text;
  for (const WriteColumn& column : layout.write) {
    static constexpr const char* kNames[] = {"key", "value", "guard"};
    text += (text.empty() ? "" : " ") + std::string(kNames[static_cast<int>(column.role)]) + ":" +
            column.target.name;
  }
  return text;
}

std::string names(const Columns& columns) {
  std::string text;
  for (const Column& column : columns) text += (text.empty() ? "" : " ") + column.name;
  return text;
}

std::string refusal(const LayoutRequest& request) {
  try {
    make_layout(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::unsafe);
    return error.what();
  }
  return "not refused";
}

TEST(Layout, ForwardsAPlainCopy) {
  const Layout layout = make_layout(copy_request());

  EXPECT_TRUE(layout.forwards);
  EXPECT_FALSE(layout.in_place);
  EXPECT_EQ(layout.read_key, std::vector<int>{0});
  EXPECT_EQ(roles(layout), "key:id value:name value:email");
}

TEST(Layout, WritesTheTargetsNamesOfTheKey) {
  LayoutRequest request = copy_request();
  request.target.columns[0].name = "person_id";
  request.target_key = {"person_id"};

  const Layout layout = make_layout(request);

  EXPECT_EQ(roles(layout), "key:person_id value:name value:email");
  EXPECT_EQ(layout.write[0].column.name, "person_id");
  EXPECT_TRUE(layout.forwards);
}

TEST(Layout, ReadsTheKeyAlsoWhenTheJobDoesNotNameIt) {
  LayoutRequest request = copy_request();
  request.columns.erase(request.columns.begin());

  const Layout layout = make_layout(request);

  EXPECT_EQ(names(layout.read_columns()), "name email id");
  EXPECT_FALSE(layout.read[2].requested);
  EXPECT_EQ(layout.read_key, std::vector<int>{2});
  EXPECT_EQ(roles(layout), "value:name value:email key:id");
}

TEST(Layout, RefusesAColumnThatWouldBeLost) {
  LayoutRequest request = copy_request();
  request.target.columns.pop_back();

  EXPECT_NE(
      refusal(request).find("column email of users has no column in people and would be lost"),
      std::string::npos);
}

TEST(Layout, DropsAColumnThatOnlyThePluginReads) {
  LayoutRequest request = copy_request();
  request.target.columns[1].name = "first_name";
  request.plugin = PluginColumns{{1}, {{1, Kind::text}}};

  const Layout layout = make_layout(request);

  EXPECT_EQ(roles(layout), "key:id value:email value:first_name");
  EXPECT_EQ(layout.write[2].output, 0);
  EXPECT_EQ(layout.write[2].read, -1);
  EXPECT_EQ(layout.notes,
            std::vector<std::string>{"column name is read for the plugin and not written"});
  EXPECT_FALSE(layout.forwards);
}

TEST(Layout, LetsThePluginReplaceAColumnItFills) {
  LayoutRequest request = copy_request();
  request.plugin = PluginColumns{{2}, {{2, Kind::text}}};

  const Layout layout = make_layout(request);

  EXPECT_EQ(roles(layout), "key:id value:name value:email");
  EXPECT_EQ(layout.write[2].output, 0);
}

TEST(Layout, RefusesAPluginThatFillsTheKey) {
  LayoutRequest request = copy_request();
  request.plugin = PluginColumns{{1}, {{0, Kind::int64}}};

  EXPECT_EQ(refusal(request), "the plugin fills key column id, which must stay");
}

TEST(Layout, LeavesOutWhatTheTargetComputes) {
  LayoutRequest request = copy_request();
  request.target.columns[2].generated = true;

  const Layout layout = make_layout(request);

  EXPECT_EQ(roles(layout), "key:id value:name");
  EXPECT_EQ(layout.notes,
            std::vector<std::string>{"column email is computed by the target and not written"});
}

TEST(Layout, RefusesAPluginThatFillsWhatTheTargetComputes) {
  LayoutRequest request = copy_request();
  request.target.columns[2].generated = true;
  request.plugin = PluginColumns{{1}, {{2, Kind::text}}};

  EXPECT_EQ(refusal(request), "the plugin fills column email, which the database computes");
}

TEST(Layout, RefusesAKeyThatIsMissingOnEitherEnd) {
  LayoutRequest without_target_key = copy_request();
  without_target_key.target_key = {"nr"};
  LayoutRequest without_source_key = copy_request();
  without_source_key.source.key = {"nr"};

  EXPECT_EQ(refusal(without_target_key), "key column nr is not in people");
  EXPECT_EQ(refusal(without_source_key), "key column nr is not in users");
}

TEST(Layout, InPlaceWritesOnlyWhatIsComputed) {
  LayoutRequest request = in_place_request();
  request.plugin.reset();
  request.columns = {{int64_column("id"), "", true},
                     {text_column("name"), "", true},
                     {text_column("email"), "lower(email)", true}};
  request.row_version = int64_column("xmin");

  const Layout layout = make_layout(request);

  EXPECT_TRUE(layout.in_place);
  EXPECT_EQ(names(layout.read_columns()), "id email xmin");
  EXPECT_EQ(roles(layout), "key:id value:email guard:xmin");
  EXPECT_TRUE(layout.forwards);
}

TEST(Layout, InPlaceIsGuardedByTheRowVersionWhereThereIsOne) {
  LayoutRequest request = in_place_request();
  request.row_version = int64_column("xmin");

  const Layout layout = make_layout(request);

  EXPECT_EQ(names(layout.read_columns()), "id name xmin");
  EXPECT_EQ(layout.plugin_inputs, std::vector<int>{1});
  EXPECT_EQ(roles(layout), "key:id value:email guard:xmin");
  EXPECT_EQ(layout.write[2].read, 2);
}

TEST(Layout, InPlaceIsGuardedByEveryValueReadElsewhere) {
  const Layout layout = make_layout(in_place_request());

  EXPECT_EQ(roles(layout), "key:id value:email guard:name");
}

TEST(Layout, InPlaceExpressionsAreGuardedByTheColumnsTheyMayRead) {
  LayoutRequest request = in_place_request();
  request.plugin.reset();
  request.columns = {{text_column("email"), "lower(name)", true}};

  const Layout layout = make_layout(request);

  EXPECT_EQ(names(layout.read_columns()), "email id name email");
  EXPECT_EQ(roles(layout), "value:email key:id guard:name guard:email");
  EXPECT_EQ(layout.write[3].read, 3);
}

TEST(Layout, RefusesToInsertIntoTheTableItReads) {
  for (const WriteMode mode : {WriteMode::insert_missing, WriteMode::upsert, WriteMode::insert}) {
    LayoutRequest request = in_place_request();
    request.mode = mode;

    EXPECT_NE(refusal(request).find("source and target are the same table"), std::string::npos);
  }
}

TEST(Layout, RefusesAnUpdateThatWritesNothing) {
  LayoutRequest in_place = in_place_request();
  in_place.plugin.reset();
  LayoutRequest elsewhere = copy_request();
  elsewhere.mode = WriteMode::update;
  elsewhere.columns.resize(1);

  EXPECT_NE(refusal(in_place).find("nothing to write to users"), std::string::npos);
  EXPECT_NE(refusal(elsewhere).find("nothing to write to people"), std::string::npos);
}

TEST(Layout, InsertsTheKeyAlone) {
  LayoutRequest request = copy_request();
  request.columns.resize(1);

  EXPECT_EQ(roles(make_layout(request)), "key:id");
}

TEST(Layout, SendsTypesOfAnotherDatabaseAsText) {
  LayoutRequest request = copy_request();
  request.columns[1].column.database_bound = true;
  request.columns[1].column.type = "public.mood[]";
  request.columns[1].column.kind = Kind::other;
  request.target.database_identity = "warehouse";

  const Layout layout = make_layout(request);

  EXPECT_EQ(layout.read[1].expression, "\"name\"::text");
  EXPECT_EQ(layout.read[1].column.kind, Kind::text);
  EXPECT_EQ(layout.write[1].column.type, "text");
  EXPECT_EQ(layout.notes, std::vector<std::string>{"column name (public.mood[]) travels as text"});
  EXPECT_TRUE(layout.forwards);
}

TEST(Layout, LeavesBoundTypesAloneInsideOneDatabase) {
  LayoutRequest request = copy_request();
  request.columns[1].column.database_bound = true;

  EXPECT_EQ(make_layout(request).read[1].expression, "");
}

TEST(Layout, SendsUnreadableTypesAsTextToATargetThatReadsNoBinary) {
  LayoutRequest request = copy_request();
  request.columns[1].column.kind = Kind::other;
  request.columns[2].column.kind = Kind::other;
  request.columns[2].expression = "a + b";
  request.target_reads_binary = false;

  const Layout layout = make_layout(request);

  EXPECT_EQ(layout.read[1].expression, "\"name\"::text");
  EXPECT_EQ(layout.read[2].expression, "(a + b\n)::text");
}

// A key that travels as text was once read and written a second time.
TEST(Layout, WritesAKeyThatTravelsAsTextOnce) {
  LayoutRequest request = copy_request();
  request.source.columns[0].kind = Kind::other;
  request.columns[0].column.kind = Kind::other;
  request.target_reads_binary = false;

  const Layout layout = make_layout(request);

  EXPECT_EQ(names(layout.read_columns()), "id name email");
  EXPECT_EQ(layout.read_key, std::vector<int>{0});
  EXPECT_EQ(roles(layout), "key:id value:name value:email");
}

// Such a row would have two values for one column.
TEST(Layout, RefusesAnExpressionThatWouldOverwriteTheKey) {
  LayoutRequest request = copy_request();
  request.columns[0].expression = "id + 1000";

  EXPECT_NE(refusal(request).find("column id is the key of people"), std::string::npos);
}

TEST(Projection, MovesColumnsToWhereTheyAreWritten) {
  LayoutRequest request = copy_request();
  request.columns.erase(request.columns.begin());
  std::swap(request.columns[0], request.columns[1]);
  Projection projection(make_layout(request));
  Batch input;
  input.begin_tuple(3);
  input.append_field("a@b");
  input.append_null();
  input.append_field(int64_bytes(7));

  Transformed output;
  output.skipped = 3;
  projection.apply(input, output);

  ASSERT_EQ(output.rows.rows(), 1U);
  EXPECT_EQ(output.rows.tuples(), input.tuples());
  EXPECT_EQ(output.input_rows, std::vector<std::uint32_t>{0});
  EXPECT_EQ(output.skipped, 0);
  EXPECT_TRUE(output.rejects.empty());
}

TEST(Projection, TakesThePluginsOutputsWhereTheyBelong) {
  const Projection projection(guarded_layout());
  const std::string id = int64_bytes(7);
  const std::string version = int64_bytes(99);
  const Cell id_cell{id.data(), 8};
  const Cell version_cell{version.data(), 8};
  const Cell output{"new", 3};

  Batch rows;
  projection.append_row({id_cell, Cell{"old", 3}, version_cell}, {output}, rows);

  std::vector<Cell> cells;
  read_cells(rows.tuple(0), 3, cells);
  EXPECT_EQ(int64_of(cells[0].view()), 7);
  EXPECT_EQ(cells[1].view(), "new");
  EXPECT_EQ(int64_of(cells[2].view()), 99);
}

}  // namespace
}  // namespace backfill
