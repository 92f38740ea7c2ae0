// What holds for every system with contact: identical inputs give identical states, whatever came
// before and on any thread; copies are independent; conditions; no penetration; no free success.

#include <gtest/gtest.h>

#include <thread>

#include "contact_support.hpp"
#include "pilqr/model/any_system.hpp"
#include "pilqr/model/sample.hpp"
#include "pilqr/systems/contact_tasks.hpp"
#include "pilqr/systems/door.hpp"
#include "pilqr/systems/gripper_pusher.hpp"
#include "pilqr/systems/hockey.hpp"
#include "pilqr/systems/plug.hpp"
#include "pilqr/train/settings.hpp"

namespace pilqr {
namespace {

using systems::Drawing;
using systems::Shape;
using systems::ShapeKind;
using test::Random;
using test::trajectory;

template <class S>
class ContactSystem : public testing::Test {
 public:
  /// Controls that reach the limits.
  static MatrixX controls(std::uint64_t seed) {
    Random random(seed);
    return test::wandering_controls(random, S::Nu, S::steps - 1, 1.5);
  }
  static const Task& task() { return find_task(S::name); }
};

using Systems =
    testing::Types<systems::GripperPusher, systems::Door, systems::Hockey, systems::Plug>;
TYPED_TEST_SUITE(ContactSystem, Systems);

TYPED_TEST(ContactSystem, IsASystem) {
  static_assert(System<TypeParam>);
  static_assert(std::is_copy_constructible_v<TypeParam>);
  EXPECT_EQ(this->task().nx, TypeParam::Nx);
  EXPECT_EQ(this->task().conditions, TypeParam::conditions);
}

TYPED_TEST(ContactSystem, ResetIsExactWhateverCameBefore) {
  TypeParam used;
  (void)trajectory(used, 0, this->controls(1));
  const MatrixX again = trajectory(used, 0, this->controls(2));
  TypeParam fresh;
  EXPECT_EQ(again, trajectory(fresh, 0, this->controls(2)));
  EXPECT_EQ(again, trajectory(used, 0, this->controls(2)));
  EXPECT_NE(again, trajectory(used, 0, this->controls(3)));
  EXPECT_EQ(again.col(0), TypeParam::start(0));
}

TYPED_TEST(ContactSystem, InterleavedAndCopiedWorldsAreIndependent) {
  constexpr int copied_at = 40;
  const MatrixX one = this->controls(4);
  MatrixX two = one;
  two.rightCols(cols(two) - copied_at) = this->controls(5).rightCols(cols(two) - copied_at);
  TypeParam system;
  const MatrixX expected_one = trajectory(system, 0, one);
  const MatrixX expected_two = trajectory(system, 0, two);

  RandomStream stream({});
  Vector<TypeParam::Nx> x;
  Vector<TypeParam::Nx> y;
  system.reset(0, stream, x);
  for (int t = 0; t < copied_at; ++t) system.step(t, x, one.col(t), stream, x);
  TypeParam copy = system;  // goes on with other controls, in turns with the first
  y = x;
  for (int t = copied_at; t < cols(one); ++t) {
    system.step(t, x, one.col(t), stream, x);
    copy.step(t, y, two.col(t), stream, y);
    ASSERT_EQ(x, expected_one.col(t + 1)) << t;
    ASSERT_EQ(y, expected_two.col(t + 1)) << t;
  }
  copy = system;  // a copy that is reset
  EXPECT_EQ(trajectory(copy, 0, two), expected_two);
}

TYPED_TEST(ContactSystem, ThreadsGiveTheSameStates) {
  constexpr int count = 4;
  std::vector<MatrixX> expected;
  for (int i = 0; i < count; ++i) {
    TypeParam system;
    expected.push_back(trajectory(system, 0, this->controls(static_cast<std::uint64_t>(10 + i))));
  }
  std::vector<MatrixX> actual(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      TypeParam system;
      actual[static_cast<std::size_t>(i)] =
          trajectory(system, 0, this->controls(static_cast<std::uint64_t>(10 + i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(actual, expected);
}

TYPED_TEST(ContactSystem, IsTheSameBehindAnySystem) {
  TypeParam system;
  AnySystem any{TypeParam()};
  const MatrixX controls = this->controls(6);
  const MatrixX expected = trajectory(system, 0, controls);
  RandomStream stream({});
  VectorX x;
  VectorX next;
  any.reset(0, stream, x);
  for (int t = 0; t < cols(controls); ++t) {
    ASSERT_EQ(x, expected.col(t)) << t;
    any.step(t, x, controls.col(t), stream, next);
    x = next;
  }
}

TYPED_TEST(ContactSystem, ConditionsAndMisuse) {
  RandomStream stream({});
  Vector<TypeParam::Nx> x;
  const Vector<TypeParam::Nu> u = Vector<TypeParam::Nu>::Zero();
  EXPECT_THROW(TypeParam().step(0, x, u, stream, x), InvalidArgument);
  for (int condition = 0; condition < TypeParam::conditions; ++condition) {
    TypeParam system;
    system.reset(condition, stream, x);
    EXPECT_EQ(x, TypeParam::start(condition));
    EXPECT_TRUE(std::isfinite(TypeParam::cost(condition)(0, x, u)));
    require_valid(TypeParam::initial_policy(condition), "initial policy");
    EXPECT_LT(test::deepest_overlap(TypeParam::draw(x)), 0.0);  // nothing touches at the start
    Vector<TypeParam::Nx> next;
    system.step(0, x, u, stream, next);
    EXPECT_LT((next - x).norm(), 1e-5);  // and nothing moves by itself
    EXPECT_THROW(system.step(1, x, u.array() + std::nan(""), stream, next), InvalidArgument);
  }
  for (const int condition : {-1, TypeParam::conditions}) {
    EXPECT_THROW(TypeParam().reset(condition, stream, x), InvalidArgument);
    EXPECT_THROW((void)TypeParam::start(condition), InvalidArgument);
    EXPECT_THROW((void)TypeParam::cost(condition), InvalidArgument);
    EXPECT_THROW((void)TypeParam::initial_policy(condition), InvalidArgument);
  }
}

TYPED_TEST(ContactSystem, ControlIsClipped) {
  // Far beyond the limits all controls of one sign are the same.
  Random random(7);
  const MatrixX signs = this->controls(8).cwiseSign();
  TypeParam system;
  EXPECT_EQ(trajectory(system, 0, 10.0 * signs), trajectory(system, 0, 25.0 * signs));
  EXPECT_NE(trajectory(system, 0, 1.0 * signs), trajectory(system, 0, 25.0 * signs));
}

TYPED_TEST(ContactSystem, PenetratesLessThanFiveMillimetres) {
  double deepest = -1.0;
  for (int condition = 0; condition < TypeParam::conditions; ++condition) {
    for (std::uint64_t seed = 20; seed < 24; ++seed) {
      TypeParam system;
      const MatrixX states = trajectory(system, condition, this->controls(seed));
      for (int t = 0; t < cols(states); ++t) {
        ASSERT_TRUE(states.col(t).allFinite());
        deepest = std::max(deepest, test::deepest_overlap(TypeParam::draw(states.col(t))));
      }
    }
  }
  EXPECT_LT(deepest, 0.005);
  EXPECT_GT(deepest, -0.003);  // something was touched
}

TYPED_TEST(ContactSystem, DrawingsAreWellFormed) {
  TypeParam system;
  const MatrixX states = trajectory(system, 0, this->controls(30));
  for (int t = 0; t < cols(states); t += 9) {
    const Drawing drawing = TypeParam::draw(states.col(t));
    for (const Shape& shape : drawing) {
      SCOPED_TRACE(shape.name);
      EXPECT_TRUE(shape.points.allFinite());
      EXPECT_EQ(&systems::find_shape(drawing, shape.name), &shape);  // names differ
      if (shape.kind == ShapeKind::circle) {
        EXPECT_EQ(cols(shape.points), 1);
        EXPECT_GT(shape.radius, 0.0);
      }
      if (shape.kind != ShapeKind::polygon) continue;
      const int n = cols(shape.points);
      ASSERT_GE(n, 3);
      for (int i = 0; i < n; ++i) {  // convex and counter-clockwise
        const Vector<2> a = shape.points.col((i + 1) % n) - shape.points.col(i);
        const Vector<2> b = shape.points.col((i + 2) % n) - shape.points.col((i + 1) % n);
        EXPECT_GT(a(0) * b(1) - a(1) * b(0), 0.0);
      }
    }
    EXPECT_THROW((void)systems::find_shape(drawing, "cow"), InvalidArgument);
  }
}

TYPED_TEST(ContactSystem, UntrainedPoliciesDoNotSucceed) {
  const Task& task = this->task();
  AnySystem system = task.system();
  for (int condition = 0; condition < task.conditions; ++condition) {
    for (const bool noiseless : {true, false}) {
      const auto batch = sample(system, task.cost(condition), task.initial_policy(condition),
                                {.samples = noiseless ? 1 : 20,
                                 .seed = 5,
                                 .condition = condition,
                                 .noise = task.noise,
                                 .noiseless = noiseless});
      ASSERT_TRUE(batch.ok()) << batch.failure.message();
      int successes = 0;
      for (int i = 0; i < batch.rollouts.samples(); ++i) {
        successes += task.success(batch.rollouts, condition, i) ? 1 : 0;
      }
      EXPECT_LE(successes, noiseless ? 0 : 2) << "condition " << condition;
    }
  }
}

TYPED_TEST(ContactSystem, AShortTrainingImprovesIt) {
  const Task& task = this->task();
  AnySystem system = task.system();
  const AnyCost cost = task.cost(0);
  const Settings settings = default_settings(task, Algorithm::pi2);
  AnyOptimizer optimizer(settings, task.initial_policy(0));
  double first = 0.0;
  double last = 0.0;
  for (int iteration = 0; iteration < 9; ++iteration) {
    const auto batch =
        sample(system, cost, optimizer.policy(),
               {.samples = 20, .seed = 1, .iteration = iteration, .noise = settings.noise});
    ASSERT_TRUE(batch.ok()) << batch.failure.message();
    last = batch.rollouts.total_cost().mean();
    if (iteration == 0) first = last;
    const UpdateReport report = optimizer.update(batch.rollouts, cost, RandomStream({}));
    ASSERT_TRUE(report.ok()) << report.failure.message();
  }
  EXPECT_LT(last, first - 0.1 * std::abs(first));  // costs may be negative
}

}  // namespace
}  // namespace pilqr
