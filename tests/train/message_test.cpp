#include "pilqr/train/message.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "io/io_support.hpp"
#include "pilqr/train/optimizer_state.hpp"
#include "train/moody_reacher.hpp"

namespace pilqr {
namespace {

using test::RecordedRun;

TEST(Message, GivesBackWhatWasPut) {
  MessageWriter out;
  out.put(-3);
  out.put(std::string_view("a\0b", 3));
  out.put(-0.0);
  out.put(std::nan(""));
  out.put(std::string_view());
  const VectorX column = VectorX::LinSpaced(4, 1.0, 2.0);
  out.put_column(column);
  out.put_column(VectorX());
  MessageReader in(out.bytes());
  EXPECT_EQ(in.get<int>(), -3);
  EXPECT_EQ(in.get_text(), std::string("a\0b", 3));
  EXPECT_TRUE(std::signbit(in.get<double>()));
  EXPECT_TRUE(std::isnan(in.get<double>()));
  EXPECT_EQ(in.get_text(), "");
  VectorX copy(4);
  in.get_column(copy);
  EXPECT_EQ(copy, column);
  in.require_end();
}

TEST(Message, ShortAndLongOnesAreRefused) {
  MessageWriter out;
  out.put(std::string_view("text"));
  const std::string bytes = out.bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    MessageReader in(std::string_view(bytes).substr(0, length));
    EXPECT_THROW((void)in.get_text(), InvalidArgument) << length;
  }
  const std::string longer = bytes + "x";
  MessageReader in(longer);
  EXPECT_EQ(in.get_text(), "text");
  EXPECT_THROW(in.require_end(), InvalidArgument);
}

TEST(Message, ValuesThatNoneOfOursHasAreRefused) {
  const auto of = [](auto... values) {
    MessageWriter out;
    (out.put(values), ...);
    return out.bytes();
  };
  const auto refusal = [](const std::string& bytes, auto&& read) -> std::string {
    MessageReader in(bytes);
    try {
      read(in);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return {};
  };
  const auto yes = [](MessageReader& in) { (void)in.get<bool>(); };
  EXPECT_EQ(refusal(of(true), yes), "");
  EXPECT_EQ(refusal(of('\2'), yes), "a message of another rank has 2 for yes or no");
  const auto failure = [](MessageReader& in) { (void)get_failure(in); };
  const auto of_failure = [&](int kind, int attempt) {
    return of(kind, 1, 2, 3, 0.5, std::string_view("text"), -1, attempt);
  };
  EXPECT_EQ(refusal(of_failure(1, 0), failure), "");
  for (const int kind : {-1, 1000}) {
    EXPECT_EQ(refusal(of_failure(kind, 0), failure),
              fmt::format("a message of another rank has a failure of kind {}", kind));
  }
  for (const int attempt : {-1, std::numeric_limits<int>::max()}) {
    EXPECT_EQ(refusal(of_failure(1, attempt), failure),
              fmt::format("a message of another rank has a failure of attempt {}", attempt));
  }
}

TEST(Message, RecordsKeepTheirFailures) {
  IterationRecord record{.iteration = 4, .condition = 9, .seconds_update = 0.25};
  record.report.kl_mean = 0.5;
  record.report.replay_diverged_step = 12;
  record.report.steps.kl = VectorX::LinSpaced(3, 0.1, 0.3);
  record.rollouts = 21;
  record.faults = {{.kind = FailureKind::timed_out, .condition = 9, .sample = 2, .attempt = 1},
                   {.kind = FailureKind::rejected, .detail = "wet floor"}};
  for (const bool failed : {false, true}) {
    if (failed) record.report.failure = {FailureKind::singular_fit, 9, 3, 17, -2.0, "a fit", 5};
    MessageWriter out;
    put(record, out);
    MessageReader in(out.bytes());
    const IterationRecord copy = get_record(in);
    in.require_end();
    EXPECT_EQ(copy.iteration, 4);
    EXPECT_EQ(copy.condition, 9);
    EXPECT_EQ(copy.seconds_update, 0.25);
    EXPECT_EQ(copy.report.kl_mean, 0.5);
    EXPECT_EQ(copy.report.replay_diverged_step, 12);
    EXPECT_EQ(copy.report.steps.kl, record.report.steps.kl);
    EXPECT_EQ(copy.report.steps.temperature.size(), 0);
    EXPECT_TRUE(std::isnan(copy.report.cost_mean));
    EXPECT_EQ(copy.report.failure.message(), record.report.failure.message());
    EXPECT_EQ(copy.rollouts, 21);
    ASSERT_EQ(copy.faults.size(), 2U);
    EXPECT_EQ(copy.faults[0].message(), "timed_out: condition 9, sample 2, attempt 2: value nan");
    EXPECT_EQ(copy.faults[1].message(), "rejected: value nan (wet floor)");
  }
  EXPECT_EQ(record.report.failure.message(),
            "singular_fit: rank 5, condition 9, sample 3, step 17: value -2 (a fit)");
}

// Found by the fuzz target `message`: the memory of a vector came from its length alone.
TEST(Message, AVectorIsNoLongerThanItsMessage) {
  IterationRecord record;
  const auto bytes_of = [&] {
    MessageWriter out;
    put(record, out);
    return out.bytes();
  };
  const std::string empty = bytes_of();
  record.report.steps.kl_step = VectorX::Ones(1);
  std::string bytes = bytes_of();
  const auto at = std::mismatch(empty.begin(), empty.end(), bytes.begin()).first - empty.begin();
  for (const int length : {std::numeric_limits<int>::max(), -1, 1'000'000}) {
    std::memcpy(bytes.data() + at, &length, sizeof length);
    MessageReader in(bytes);
    EXPECT_THROW((void)get_record(in), InvalidArgument) << length;
  }
}

/// A trained optimiser, and the same restored into a new one.
template <class Optimizer>
void expect_same_through_bytes(Optimizer trained, Optimizer fresh) {
  AnySystem system{test::MoodyReacher{}};
  const AnyCost cost = find_task("reacher").cost(0);
  const auto go_on = [&](Optimizer& optimizer, int iteration) {
    const RandomStream stream(StreamKey{});
    const auto batch = sample(system, cost, to_dynamic(optimizer.policy()),
                              {.samples = 8, .iteration = iteration});
    using Policy = std::remove_cvref_t<decltype(optimizer.policy())>;
    if constexpr (std::is_same_v<Policy, LinearGaussianPolicy<>>) {
      return optimizer.update(batch.rollouts, cost, stream).ok();
    } else {
      test::MoodyReacher fixed;
      return optimizer
          .update(sample(fixed, cost, optimizer.policy(), {.samples = 8, .iteration = iteration})
                      .rollouts,
                  cost, stream)
          .ok();
    }
  };
  ASSERT_TRUE(go_on(trained, 0));
  ASSERT_TRUE(go_on(trained, 1));
  const std::string bytes = encode_optimizer(state_of(trained));
  restore_state(decode_optimizer(bytes, state_of(fresh)), fresh);
  EXPECT_EQ(encode_optimizer(state_of(fresh)), bytes);
  ASSERT_TRUE(go_on(trained, 2));
  ASSERT_TRUE(go_on(fresh, 2));
  EXPECT_EQ(encode_optimizer(state_of(fresh)), encode_optimizer(state_of(trained)));
}

TEST(OptimizerState, GoesOnBitIdenticallyForEveryKind) {
  const auto fixed = systems::Reacher::initial_policy();
  const auto dynamic = to_dynamic(fixed);
  const auto twice = [](auto optimizer) { expect_same_through_bytes(optimizer, optimizer); };
  twice(Pilqr<>(dynamic));
  twice(Pilqr<8, 2>(fixed));
  twice(Pilqr<>(dynamic, {.model = {.gmm = GmmPriorOptions{.max_clusters = 3}}}));
  twice(LqrFlm<>(dynamic));
  twice(Pi2<8, 2>(fixed));
  twice(Pi2<>(dynamic));
  twice(AnyOptimizer(test::reacher_settings(Algorithm::pi2, false), dynamic));
  twice(AnyOptimizer(test::reacher_settings(Algorithm::pilqr, true), dynamic));
}

TEST(OptimizerState, OfAnotherKindIsRefused) {
  const auto dynamic = to_dynamic(systems::Reacher::initial_policy());
  const Pilqr<> plain(dynamic);
  Pi2<> free(dynamic);
  Pilqr<> other(dynamic);
  const std::string bytes = encode_optimizer(state_of(plain));
  EXPECT_TRUE(
      test::contains(test::file_error([&] { (void)decode_optimizer(bytes, state_of(free)); }),
                     "is not part of the format"));
  EXPECT_THROW(restore_state(state_of(free), other), InvalidArgument);
  EXPECT_TRUE(test::contains(
      test::file_error([&] { (void)decode_optimizer(bytes.substr(9), state_of(plain)); }),
      "state of an optimiser"));
}

}  // namespace
}  // namespace pilqr
