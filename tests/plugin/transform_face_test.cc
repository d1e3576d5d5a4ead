// The C++ face of the contract, transform.hpp, over single columns.

#include <gtest/gtest.h>

#include <backfill/transform.hpp>

#include "plugin/contract_engine.h"

namespace backfill {
namespace {

using namespace backfill::plugin;

// Copies column `in` to column `out`, by value.
template <class T>
class CopyOne {
 public:
  explicit CopyOne(Binding& bind) : in_(bind.input<T>("in")), out_(bind.output<T>("out")) {}
  Verdict apply(const Row& row, OutputRow& out) const {
    out.set(out_, row[in_]);
    return write();
  }

 private:
  Input<T> in_;
  Output<T> out_;
};

template <class T>
class PassOne {
 public:
  explicit PassOne(Binding& bind) : in_(bind.input<T>("in")), out_(bind.output<T>("out")) {}
  Verdict apply(const Row& row, OutputRow& out) const {
    out.pass(out_, row, in_);
    return write();
  }

 private:
  Input<T> in_;
  Output<T> out_;
};

OfferedColumn in(backfill_type type) { return {.name = "in", .type = type, .type_name = "t"}; }
OfferedColumn out(backfill_type type) { return {.name = "out", .type = type, .type_name = "t"}; }
OfferedColumn dynamic_in(backfill_type type) {
  return {.name = "in", .type = type, .is_dynamic = true, .type_name = "t"};
}
OfferedColumn dynamic_out(backfill_type type) {
  return {.name = "out", .type = type, .is_dynamic = true, .type_name = "t"};
}

template <class Transform>
std::string refusal(OfferedColumn source, OfferedColumn target,
                    ContractEngine::Options options = {}) {
  const backfill_transform transform = describe<Transform>("test", "1");
  ContractEngine engine(transform, {source}, {target}, options);
  return engine.is_open() ? "" : engine.message();
}

template <class Transform>
GivenAnswer answer(OfferedColumn source, OfferedColumn target, GivenCell cell) {
  const backfill_transform transform = describe<Transform>("test", "1");
  ContractEngine engine(transform, {source}, {target});
  EXPECT_TRUE(engine.is_open()) << engine.message();
  return engine.apply({{cell}}).at(0);
}

template <class T>
std::string copy(backfill_type source, backfill_type target, std::string bytes) {
  return answer<CopyOne<T>>(in(source), out(target), {bytes, source}).outputs.at(0).value();
}

TEST(TransformFace, CopiesEveryTypeItReads) {
  const std::string eight("\0\1\2\3\4\5\6\7", 8);

  EXPECT_EQ(copy<Boolean>(BACKFILL_BOOLEAN, BACKFILL_BOOLEAN, "\1"), "\1");
  EXPECT_EQ(copy<Integer>(BACKFILL_INT64, BACKFILL_INT64, eight), eight);
  EXPECT_EQ(copy<Real>(BACKFILL_FLOAT64, BACKFILL_FLOAT64, eight), eight);
  EXPECT_EQ(copy<Text>(BACKFILL_TEXT, BACKFILL_TEXT, "zoë"), "zoë");
  EXPECT_EQ(copy<Bytes>(BACKFILL_BYTES, BACKFILL_BYTES, eight), eight);
  EXPECT_EQ(copy<Date>(BACKFILL_DATE, BACKFILL_DATE, eight.substr(0, 4)), eight.substr(0, 4));
  EXPECT_EQ(copy<Timestamp>(BACKFILL_TIMESTAMP, BACKFILL_TIMESTAMP, eight), eight);
  EXPECT_EQ(copy<Timestamptz>(BACKFILL_TIMESTAMPTZ, BACKFILL_TIMESTAMPTZ, eight), eight);
  EXPECT_EQ(copy<Uuid>(BACKFILL_UUID, BACKFILL_UUID, eight + eight), eight + eight);
  EXPECT_EQ(copy<Json>(BACKFILL_JSON, BACKFILL_JSON, "[1]"), "[1]");
  EXPECT_EQ(copy<Numeric>(BACKFILL_NUMERIC, BACKFILL_NUMERIC, wire::numeric_bytes("-12.50")),
            wire::numeric_bytes("-12.50"));
}

TEST(TransformFace, WidensAndNarrowsIntegersToTheTarget) {
  EXPECT_EQ(copy<Integer>(BACKFILL_INT16, BACKFILL_INT64, "\xff\xfe"),
            "\xff\xff\xff\xff\xff\xff\xff\xfe");
  EXPECT_EQ(copy<Integer>(BACKFILL_INT32, BACKFILL_INT16, std::string("\0\0\1\2", 4)), "\1\2");
}

TEST(TransformFace, RejectsIntegersThatTheTargetCannotHold) {
  const auto rejected =
      answer<CopyOne<Integer>>(in(BACKFILL_INT64), out(BACKFILL_INT16), int64_cell(40000));

  EXPECT_EQ(rejected.verdict, BACKFILL_REJECT);
  EXPECT_EQ(rejected.reason, "column out: 40000 does not fit into 16 bits");
}

TEST(TransformFace, RejectsRealsThatTheTargetCannotHold) {
  const auto rejected =
      answer<CopyOne<Real>>(in(BACKFILL_FLOAT64), out(BACKFILL_FLOAT32), float64_cell(1e300));

  EXPECT_EQ(rejected.verdict, BACKFILL_REJECT);
}

TEST(TransformFace, ReadsJsonNumericAndUuidAsText) {
  EXPECT_EQ(copy<Text>(BACKFILL_JSONB, BACKFILL_TEXT, "\1{\"a\": 1}"), "{\"a\": 1}");
  EXPECT_EQ(copy<Text>(BACKFILL_NUMERIC, BACKFILL_TEXT, wire::numeric_bytes("7.10")), "7.10");
  EXPECT_EQ(copy<Text>(BACKFILL_UUID, BACKFILL_TEXT, std::string(16, '\x11')),
            "11111111-1111-1111-1111-111111111111");
}

TEST(TransformFace, WritesJsonbWithItsVersion) {
  EXPECT_EQ(copy<Json>(BACKFILL_JSON, BACKFILL_JSONB, "[1]"), "\1[1]");
  EXPECT_EQ(copy<Json>(BACKFILL_JSONB, BACKFILL_JSON, "\1[1]"), "[1]");
}

TEST(TransformFace, SendsTextWhereTheServerCasts) {
  const backfill_transform transform = describe<CopyOne<Text>>("test", "1");
  for (const backfill_type target :
       {BACKFILL_JSON, BACKFILL_JSONB, BACKFILL_NUMERIC, BACKFILL_OTHER}) {
    ContractEngine engine(transform, {in(BACKFILL_TEXT)}, {out(target)});

    ASSERT_TRUE(engine.is_open()) << engine.message();
    EXPECT_EQ(engine.outputs().at(0).second, static_cast<std::uint32_t>(BACKFILL_TEXT));
  }
}

TEST(TransformFace, FillsSqliteColumnsInItsOwnForm) {
  const backfill_transform transform = describe<CopyOne<Integer>>("test", "1");
  ContractEngine engine(transform, {in(BACKFILL_INT16)}, {dynamic_out(BACKFILL_TEXT)});

  ASSERT_TRUE(engine.is_open()) << engine.message();
  EXPECT_EQ(engine.outputs().at(0).second, static_cast<std::uint32_t>(BACKFILL_INT64));
}

TEST(TransformFace, RefusesAColumnThatIsNotThere) {
  OfferedColumn near = in(BACKFILL_TEXT);
  near.name = "inn";
  OfferedColumn far = in(BACKFILL_TEXT);
  far.name = "address";

  EXPECT_EQ(refusal<CopyOne<Text>>(near, out(BACKFILL_TEXT)),
            "no source column in; did you mean inn?");
  EXPECT_EQ(refusal<CopyOne<Text>>(far, out(BACKFILL_TEXT)),
            "no source column in; there are: address");
  EXPECT_EQ(refusal<CopyOne<Text>>(in(BACKFILL_TEXT), far),
            "no target column out; there are: address");
}

TEST(TransformFace, RefusesAColumnOfAnotherType) {
  OfferedColumn number = in(BACKFILL_INT32);
  number.type_name = "integer";
  OfferedColumn money = out(BACKFILL_OTHER);
  money.type_name = "money";

  EXPECT_EQ(refusal<CopyOne<Text>>(number, out(BACKFILL_TEXT)),
            "source column in is integer and cannot be read as Text");
  EXPECT_EQ(refusal<CopyOne<Integer>>(number, money),
            "target column out is money and cannot be filled as Integer");
  EXPECT_NE(refusal<CopyOne<Integer>>(in(BACKFILL_FLOAT64), out(BACKFILL_INT64)), "");
  EXPECT_NE(refusal<CopyOne<Date>>(in(BACKFILL_TIMESTAMP), out(BACKFILL_DATE)), "");
}

TEST(TransformFace, RefusesASqliteColumnThatPromisesAnotherType) {
  EXPECT_NE(refusal<CopyOne<Text>>(dynamic_in(BACKFILL_INT64), out(BACKFILL_TEXT)), "");
  EXPECT_NE(refusal<CopyOne<Integer>>(dynamic_in(BACKFILL_TEXT), out(BACKFILL_INT64)), "");
  EXPECT_NE(refusal<CopyOne<Date>>(dynamic_in(BACKFILL_OTHER), out(BACKFILL_DATE)), "");
  EXPECT_EQ(refusal<CopyOne<Text>>(dynamic_in(BACKFILL_OTHER), out(BACKFILL_TEXT)), "");
  EXPECT_EQ(refusal<CopyOne<Integer>>(dynamic_in(BACKFILL_FLOAT64), out(BACKFILL_INT64)), "");
}

TEST(TransformFace, RejectsASqliteCellOfAnotherType) {
  const auto text_of_number =
      answer<CopyOne<Text>>(dynamic_in(BACKFILL_TEXT), out(BACKFILL_TEXT), int64_cell(7));
  const auto number_of_text =
      answer<CopyOne<Integer>>(dynamic_in(BACKFILL_INT64), out(BACKFILL_INT64), text_cell("7"));
  const auto fraction =
      answer<CopyOne<Integer>>(dynamic_in(BACKFILL_INT64), out(BACKFILL_INT64), float64_cell(7.5));

  EXPECT_EQ(text_of_number.verdict, BACKFILL_REJECT);
  EXPECT_EQ(text_of_number.reason, "column in holds int64, not text");
  EXPECT_EQ(number_of_text.reason, "column in holds text, not an integer");
  EXPECT_EQ(fraction.reason, "column in holds a real that is no integer");
}

TEST(TransformFace, ReadsSqliteNumbersWhereNothingIsLost) {
  const auto whole =
      answer<CopyOne<Integer>>(dynamic_in(BACKFILL_INT64), out(BACKFILL_INT64), float64_cell(-7.0));
  const auto real =
      answer<CopyOne<Real>>(dynamic_in(BACKFILL_FLOAT64), out(BACKFILL_FLOAT64), int64_cell(7));
  const auto truth =
      answer<CopyOne<Boolean>>(dynamic_in(BACKFILL_OTHER), out(BACKFILL_BOOLEAN), int64_cell(1));
  const auto huge = answer<CopyOne<Integer>>(dynamic_in(BACKFILL_INT64), out(BACKFILL_INT64),
                                             float64_cell(0x1p63));
  const auto decimal = answer<CopyOne<Numeric>>(dynamic_in(BACKFILL_OTHER), out(BACKFILL_NUMERIC),
                                                float64_cell(12.5));

  EXPECT_EQ(whole.outputs.at(0), int64_cell(-7).bytes);
  EXPECT_EQ(real.outputs.at(0), float64_cell(7.0).bytes);
  EXPECT_EQ(truth.outputs.at(0), "\1");
  EXPECT_EQ(huge.verdict, BACKFILL_REJECT);
  EXPECT_EQ(decimal.outputs.at(0), wire::numeric_bytes("12.5"));
}

TEST(TransformFace, RejectsARowWhoseNullIsRead) {
  const auto rejected = answer<CopyOne<Text>>(in(BACKFILL_TEXT), out(BACKFILL_TEXT), null_cell());

  EXPECT_EQ(rejected.verdict, BACKFILL_REJECT);
  EXPECT_EQ(rejected.reason, "column in is NULL");
}

TEST(TransformFace, RejectsARowWithGarbageBytes) {
  const auto rejected =
      answer<CopyOne<Integer>>(in(BACKFILL_INT32), out(BACKFILL_INT32), {"123", BACKFILL_INT32});

  EXPECT_EQ(rejected.verdict, BACKFILL_REJECT);
}

TEST(TransformFace, PassesValuesAndNulls) {
  EXPECT_EQ(
      answer<PassOne<Text>>(in(BACKFILL_TEXT), out(BACKFILL_TEXT), text_cell("a")).outputs.at(0),
      "a");
  EXPECT_EQ(answer<PassOne<Text>>(in(BACKFILL_TEXT), out(BACKFILL_TEXT), null_cell()).outputs.at(0),
            std::nullopt);
  EXPECT_EQ(answer<PassOne<Integer>>(in(BACKFILL_INT32), out(BACKFILL_INT64), int32_cell(9))
                .outputs.at(0),
            int64_cell(9).bytes);
}

class Thrower {
 public:
  explicit Thrower(Binding& bind) : in_(bind.input<Text>("in")), out_(bind.output<Text>("out")) {}
  Verdict apply(const Row& row, OutputRow& out) {
    const std::string_view what = row[in_];
    if (what == "error") throw std::runtime_error("bad row");
    if (what == "number") throw 7;
    if (what == "stop") throw Stop("the map of names is gone");
    if (what == "skip") return skip();
    if (what == "reject") return reject("no @ in " + std::string(what));
    out.set_view(out_, "literal");
    return write();
  }

 private:
  Input<Text> in_;
  Output<Text> out_;
};

TEST(TransformFace, TurnsExceptionsIntoRejects) {
  const backfill_transform transform = describe<Thrower>("test", "1");
  ContractEngine engine(transform, {in(BACKFILL_TEXT)}, {out(BACKFILL_TEXT)});

  const auto answers = engine.apply({{text_cell("error")},
                                     {text_cell("number")},
                                     {text_cell("skip")},
                                     {text_cell("reject")},
                                     {text_cell("fine")}});

  EXPECT_EQ(answers.at(0).reason, "bad row");
  EXPECT_EQ(answers.at(1).verdict, BACKFILL_REJECT);
  EXPECT_EQ(answers.at(2).verdict, BACKFILL_SKIP);
  EXPECT_EQ(answers.at(3).reason, "no @ in reject");
  EXPECT_EQ(answers.at(4).verdict, BACKFILL_WRITE);
  EXPECT_EQ(answers.at(4).outputs.at(0), "literal");
}

TEST(TransformFace, EndsTheRunOnStop) {
  const backfill_transform transform = describe<Thrower>("test", "1");
  ContractEngine engine(transform, {in(BACKFILL_TEXT)}, {out(BACKFILL_TEXT)});

  EXPECT_TRUE(engine.apply({{text_cell("stop")}}).empty());
  EXPECT_EQ(engine.message(), "the map of names is gone");
}

TEST(TransformFace, EndsTheRunWithoutMemory) {
  const backfill_transform transform = describe<CopyOne<Text>>("test", "1");
  ContractEngine engine(transform, {in(BACKFILL_TEXT)}, {out(BACKFILL_TEXT)});
  engine.run_out_of_memory();

  EXPECT_TRUE(engine.apply({{text_cell("a")}}).empty());
  EXPECT_EQ(engine.message(), "out of memory");
}

// Reads its options and nothing else.
class Optional {
 public:
  explicit Optional(Binding& bind) {
    bind.option("required");
    bind.option_integer("limit", 3);
    bind.option_boolean("strict", false);
    bind.option_real("ratio", 0.5);
  }
  Verdict apply(const Row&, OutputRow&) { return skip(); }
};

TEST(TransformFace, ChecksOptions) {
  const auto refused = [](ContractEngine::Options options) {
    return refusal<Optional>(in(BACKFILL_TEXT), out(BACKFILL_TEXT), std::move(options));
  };

  EXPECT_EQ(refused({{"required", ""}}), "");
  EXPECT_EQ(refused({{"required", ""}, {"limit", "-4"}, {"strict", "true"}, {"ratio", "1e-3"}}),
            "");
  EXPECT_EQ(refused({}), "option transform.options.required is required");
  EXPECT_EQ(refused({{"required", ""}, {"limit", "4x"}}),
            "option transform.options.limit is 4x, not an integer");
  EXPECT_EQ(refused({{"required", ""}, {"strict", "yes"}}),
            "option transform.options.strict is yes, not true or false");
  EXPECT_EQ(refused({{"required", ""}, {"limits", "4"}}),
            "unknown option transform.options.limits; did you mean limit?");
  EXPECT_EQ(refused({{"required", ""}, {"colour", "4"}}),
            "unknown option transform.options.colour; known are: required, limit, strict, ratio");
}

class ThrowsNumber {
 public:
  explicit ThrowsNumber(Binding&) { throw 7; }
  Verdict apply(const Row&, OutputRow&) { return skip(); }
};

TEST(TransformFace, RefusesWhateverTheConstructorThrows) {
  EXPECT_EQ(refusal<ThrowsNumber>(in(BACKFILL_TEXT), out(BACKFILL_TEXT)),
            "the constructor threw something that is not a std::exception");
}

TEST(TransformFace, RefusesAnEngineThatKnowsLess) {
  const backfill_transform transform = describe<Optional>("test", "1");
  backfill_binding binding{};
  binding.struct_size = 16;
  backfill_error error{};

  EXPECT_EQ(transform.open(&binding, &error), nullptr);
  EXPECT_STREQ(error.message, "this backfill is older than the plugin; update backfill");
}

class Twice {
 public:
  explicit Twice(Binding& bind) {
    const Input<Text> one = bind.input<Text>("in");
    const Input<Text> same = bind.input<Text>("in");
    if (one.place != same.place) throw std::logic_error("two places for one column");
    bind.output<Text>("out");
    bind.output<Text>("out");
  }
  Verdict apply(const Row&, OutputRow&) { return skip(); }
};

TEST(TransformFace, FillsAColumnOnce) {
  EXPECT_EQ(refusal<Twice>(in(BACKFILL_TEXT), out(BACKFILL_TEXT)),
            "target column out is filled twice");
}

}  // namespace
}  // namespace backfill
