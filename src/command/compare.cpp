#include "compare.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "comparison.hpp"
#include "console.hpp"
#include "exit_status.hpp"
#include "interrupt.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "report.hpp"
#include "threads.hpp"
#include "train.hpp"

namespace pilqr::command {
namespace {

int default_threads() {
  constexpr int most = 64;
  return has_threads ? std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, most)
                     : 1;
}

/// Trains and evaluates one run, on one thread, unless it is interrupted. The disk is waited for
/// once: a run that a crash of the machine takes is not worth a wait in every iteration.
void do_run(ComparedRun& compared) {
  const Settings& settings = compared.run.settings;
  const Task& task = find_task(settings.task);
  Learner learner = make_learner(settings, task);
  compared.folder = create_run(compared.folder.path, compared.run, learner, Sync::later);
  RunOptions how{.sync = Sync::later};
  how.on_update = [&](const MetricsRow& row) { compared.rows.push_back(row); };
  Ranks alone;
  const RunOutcome outcome = run_training(compared.folder, compared.run, {}, learner, how, alone);
  sync_run(compared.folder);
  if (outcome.interrupted) return;
  compared.failure = outcome.failure;
  compared.unsaved = outcome.unsaved;
  // What the folder holds: after a failure that is the state after the last whole iteration.
  const TrainedRun saved = load_trained(compared.folder);
  compared.progress = outcome.progress;
  for (std::size_t m = 0; m < settings.conditions.size(); ++m) {
    const auto evaluate = [&](bool noise) {
      const EvaluationOptions options{.seed = settings.seed, .noise = noise};
      const int condition = settings.conditions[m];
      return saved.network
                 ? evaluate_policy(task, settings, saved.network->policy, condition, options)
                 : evaluate_policy(task, settings, saved.policy.policies[m], condition, options);
    };
    compared.noiseless.push_back(evaluate(false));
    compared.noisy.push_back(evaluate(true));
  }
  compared.finished = true;
}

/// Tells of finished runs in their own order, so that threads do not show.
class Teller {
 public:
  Teller(std::vector<ComparedRun>& runs, bool quiet)
      : runs_(runs), quiet_(quiet), done_(runs.size(), false), live_(!quiet) {}

  void finished(int i) {
    const std::lock_guard<std::mutex> lock(mutex_);
    done_[static_cast<std::size_t>(i)] = true;
    live_.clear();
    while (next_ < runs_.size() && done_[next_]) tell(runs_[next_++]);
    const auto count = std::count(done_.begin(), done_.end(), true);
    live_.show(fmt::format("{} of {} runs done", count, runs_.size()));
  }

  /// A run that an error ended, such as a full disk.
  void broke(int i, const std::exception& error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    live_.clear();
    print_error(fmt::format("{}: not finished: {}",
                            runs_[static_cast<std::size_t>(i)].folder.path.string(), error.what()));
  }

  /// Tells of what stands behind a run that was not finished.
  void rest() {
    live_.clear();
    for (; next_ < runs_.size(); ++next_) {
      if (done_[next_]) tell(runs_[next_]);
    }
  }

 private:
  void tell(const ComparedRun& run) const {
    const Settings& settings = run.run.settings;
    const auto report = [&](const std::string& what) {
      print_error(fmt::format("{}: {}", run.folder.path.string(), what));
    };
    if (!run.failure.ok()) {
      report(fmt::format("iteration {} failed: {}", run.progress.iterations + 1,
                         run.failure.message()));
    }
    if (!run.unsaved.empty()) report(run.unsaved);
    for (const auto* evaluations : {&run.noiseless, &run.noisy}) {
      for (const Evaluation& e : *evaluations) {
        if (!e.failure.ok()) report(fmt::format("evaluation failed: {}", e.failure.message()));
      }
    }
    if (quiet_) return;
    std::string costs;
    for (const Evaluation& e : run.noiseless) costs += ' ' + short_number(e.cost_mean);
    print(fmt::format("{:<8} seed {:<3} final cost{}\n", name(settings.algorithm), settings.seed,
                      costs));
  }

  std::vector<ComparedRun>& runs_;
  bool quiet_;
  std::mutex mutex_;
  std::vector<bool> done_;
  std::size_t next_ = 0;
  LiveLine live_;
};

/// All runs of the comparison, algorithm by algorithm.
std::vector<ComparedRun> plan(const CompareArguments& arguments, const std::filesystem::path& out) {
  std::vector<ComparedRun> runs;
  for (const std::string& algorithm : arguments.algorithms) {
    SettingsRequest request = arguments.settings;
    request.algorithms = arguments.algorithms;
    request.keep_samples = KeepSamples::none;  // unless asked for: these are simulations
    request.assignments.push_back(
        {.origin = "--algorithms " + algorithm, .key = "algorithm", .value = algorithm});
    const RunSettings run = resolve(request);
    const std::uint64_t first = run.settings.seed;
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();  // a TOML integer
    const std::uint64_t largest = most - static_cast<std::uint64_t>(arguments.seeds - 1);
    require(first <= largest, "seed {}: expected 0 to {} for {} seeds", first, largest,
            arguments.seeds);
    for (int j = 0; j < arguments.seeds; ++j) {
      ComparedRun one{.run = run};
      one.run.settings.seed = first + static_cast<std::uint64_t>(j);
      one.folder.path = out / algorithm / fmt::format("seed_{}", one.run.settings.seed);
      runs.push_back(std::move(one));
    }
  }
  return runs;
}

/// "0 to 3, 7" for 0 1 2 3 7.
std::string ranges(const std::vector<std::uint64_t>& ascending) {
  std::string out;
  for (std::size_t i = 0; i < ascending.size();) {
    std::size_t last = i;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) ++last;
    out += fmt::format("{}{}", i == 0 ? "" : ", ", ascending[i]);
    if (last > i) out += fmt::format(" to {}", ascending[last]);
    i = last + 1;
  }
  return out;
}

/// The line for a comparison with runs that a signal or an error ended.
std::string incompleteness(const std::vector<ComparedAlgorithm>& algorithms,
                           const std::filesystem::path& out) {
  std::string missing;
  for (const ComparedAlgorithm& algorithm : algorithms) {
    if (algorithm.unfinished.empty()) continue;
    missing += fmt::format("{}{} seed {}", missing.empty() ? "" : "; ",
                           name(algorithm.settings.algorithm), ranges(algorithm.unfinished));
  }
  return fmt::format("{}not finished: {}; what was trained so far is in {}",
                     interrupted() ? "interrupted; " : "", missing, out.string());
}

/// False, and told, if it cannot be written: what is printed is then all there is.
bool save_summary(const std::filesystem::path& path, const std::string& summary) {
  try {
    write_atomically(path, summary);
    return true;
  } catch (const FileError& error) {
    print_error(error.what());
    return false;
  }
}

int run_all(const CompareArguments& arguments, const std::filesystem::path& out, int threads,
            std::vector<ComparedRun> runs) {
  {
    Teller teller(runs, arguments.quiet || arguments.json);
    with_executor(threads, [&](auto& executor) {
      executor.run(static_cast<int>(runs.size()), [&] {
        return [&](int i) {
          if (interrupted()) return;
          ComparedRun& run = runs[static_cast<std::size_t>(i)];
          try {
            do_run(run);
          } catch (const std::exception& error) {
            teller.broke(i, error);
          }
          if (run.finished) teller.finished(i);
        };
      });
    });
    teller.rest();
  }
  std::vector<ComparedAlgorithm> algorithms;
  int failed = 0;
  int unfinished = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Settings& settings = runs[i].run.settings;
    if (i % static_cast<std::size_t>(arguments.seeds) == 0) {
      algorithms.push_back({.settings = settings});
    }
    if (!runs[i].finished) {
      ++unfinished;
      algorithms.back().unfinished.push_back(settings.seed);
      continue;
    }
    if (!runs[i].failure.ok()) ++failed;
    algorithms.back().runs.push_back(std::move(runs[i]));
  }
  const std::string summary = summary_json(algorithms);
  const bool saved = save_summary(out / "summary.json", summary);
  (void)write_report(out);
  if (arguments.json) {
    print(summary);
  } else {
    if (!arguments.quiet) print('\n' + summary_table(algorithms) + '\n');
    print(fmt::format("Policies: {}/ALGORITHM/seed_S/policy.safetensors{}\n", out.string(),
                      saved ? fmt::format("; summary: {}/summary.json", out.string()) : ""));
  }
  if (unfinished > 0) {
    print_error(incompleteness(algorithms, out));
    return interrupted() ? interruption_status() : exit_failure;
  }
  return failed == 0 && saved ? exit_done : exit_failure;
}

}  // namespace

int compare_command(const CompareArguments& arguments) {
  constexpr int most_seeds = 100'000;
  require(arguments.seeds >= 1 && arguments.seeds <= most_seeds, "--seeds {}: expected 1 to {}",
          arguments.seeds, most_seeds);
  require(!arguments.algorithms.empty(), "--algorithms: none is named");
  for (const std::string& algorithm : arguments.algorithms) {
    require(std::count(arguments.algorithms.begin(), arguments.algorithms.end(), algorithm) == 1,
            "--algorithms: {} is named twice", in_quotes(algorithm));
  }
  int threads = arguments.threads.value_or(default_threads());
  require_threads(threads);
  if (is_serial(find_task(arguments.settings.task).system())) {
    // Not one run beside another either: they would share what makes the system serial.
    tell_if_serial(arguments.settings.task, true, arguments.threads.value_or(1));
    threads = 1;
  }
  const std::filesystem::path out = arguments.out.value_or(std::filesystem::path("runs") /
                                                           ("compare-" + arguments.settings.task));
  std::vector<ComparedRun> runs = plan(arguments, out);
  require_free(out);
  catch_interrupts();
  // The folder is made with the first run; if that cannot be, the input was bad.
  std::error_code error;
  std::filesystem::create_directories(out, error);
  require_file(!error, out, "cannot create the folder: {}", error.message());
  try {
    return run_all(arguments, out, threads, std::move(runs));
  } catch (const std::exception& fault) {
    print_error(fault.what());
    return exit_failure;
  }
}

}  // namespace pilqr::command
