/// The pilqr command: its arguments and exit statuses.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "compare.hpp"
#include "console.hpp"
#include "diagnose.hpp"
#include "evaluate.hpp"
#include "exit_status.hpp"
#include "export.hpp"
#include "list_tasks.hpp"
#include "pilqr/io/tensors.hpp"
#include "ranks.hpp"
#include "report.hpp"
#include "train.hpp"

namespace pilqr::command {
namespace {

/// The value of a flag as a number. Throws InvalidArgument.
std::optional<int> number(const char* flag, const std::optional<std::string>& text) {
  if (!text) return {};
  int value = 0;
  require(TensorReader::parse_number(*text, value), "{} {}: expected an integer", flag, *text);
  return value;
}
std::optional<std::uint64_t> seed_number(const std::optional<std::string>& text) {
  if (!text) return {};
  std::uint64_t value = 0;
  require(TensorReader::parse_number(*text, value), "--seed {}: expected an integer from 0 to {}",
          *text, std::numeric_limits<std::uint64_t>::max());
  return value;
}

/// Parts between commas.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// "0,2" as the list [0,2]. Throws InvalidArgument.
std::string conditions_list(const std::string& text) {
  for (const std::string& part : split(text)) {
    int id = 0;
    require(TensorReader::parse_number(part, id),
            "--conditions {}: expected integers between commas", text);
  }
  return '[' + text + ']';
}

/// Numbers between commas, or none. Throws InvalidArgument.
VectorX numbers(const char* flag, const std::optional<std::string>& text) {
  if (!text) return {};
  const std::vector<std::string> parts = split(*text);
  VectorX values(static_cast<Eigen::Index>(parts.size()));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    require(TensorReader::parse_number(parts[i], values(static_cast<Eigen::Index>(i))),
            "{} {}: expected numbers between commas", flag, *text);
  }
  return values;
}

/// The options that train and compare share.
struct TrainingOptions {
  std::optional<std::string> task, algorithm, seed, samples, iterations, conditions, config, out,
      threads;
  std::vector<std::string> sets;
  bool quiet = false;

  void add(CLI::App& app, const char* default_threads, const char* default_out) {
    app.add_option("TASK", task, "A task of `pilqr tasks`");
    app.add_option("--seed", seed, "Everything random follows from it")->type_name("S");
    app.add_option("--samples", samples, "Rollouts per iteration and condition")->type_name("N");
    app.add_option("--iterations", iterations, "Iterations in total")->type_name("I");
    app.add_option("--conditions", conditions, "The task's conditions to train")
        ->type_name("0,1,..");
    app.add_option("--config", config, "Settings as in a run's config.toml")->type_name("F.toml");
    app.add_option("--set", sets, "One setting of config.toml, for example noise.width=2")
        ->type_name("key=value")
        ->allow_extra_args(false);
    app.add_option("--out", out, fmt::format("Folder, new or empty [{}]", default_out))
        ->type_name("DIR");
    app.add_option("--threads", threads, fmt::format("Threads [{}]", default_threads))
        ->type_name("n");
    app.add_flag("--quiet", quiet, "Only errors and a last line");
  }

  /// Flags win over --set, --set over the file.
  [[nodiscard]] SettingsRequest request() const {
    require(task.has_value(), "TASK is missing, see pilqr tasks");
    (void)find_task(*task);
    SettingsRequest request{.task = *task};
    if (config) request.file = *config;
    for (const std::string& text : sets) request.assignments.push_back(parse_set(text));
    const auto flag = [&](const char* key, const std::optional<std::string>& text) {
      if (!text) return;
      request.assignments.push_back(
          {.origin = fmt::format("--{} {}", key, *text), .key = key, .value = *text});
    };
    flag("algorithm", algorithm);
    flag("seed", seed);
    flag("samples", samples);
    flag("iterations", iterations);
    flag("conditions", conditions);
    if (conditions) request.assignments.back().value = conditions_list(*conditions);
    return request;
  }
};

struct CommandLine {
  CLI::App app{
      "Learns time-varying linear-Gaussian policies by PILQR, LQR-FLM or PI2, and neural "
      "networks from them.",
      "pilqr"};

  bool tasks_json = false;
  TrainingOptions train;
  std::optional<std::string> resume;
  TrainingOptions compare;
  std::optional<std::string> algorithms, seeds;
  bool compare_json = false;
  bool live = false;
  std::vector<std::string> report_folders;
  std::optional<std::string> report_out;
  std::string folder;
  std::optional<std::string> rollouts, evaluation_seed;
  bool noise = false;
  bool best = false;
  bool evaluate_json = false;
  std::string diagnosed;
  bool diagnose_json = false;
  std::string exported, export_to;
  std::optional<std::string> export_out, export_name, export_condition, lower, upper;
  bool single = false;

  CommandLine() {
    app.require_subcommand(0, 1);  // an unknown word is then named in the message
    app.set_version_flag("--version", "pilqr " PILQR_VERSION);
    app.footer(
        "Exit status: 0 done, 1 stopped on a failure, 2 wrong usage or bad input, 130 "
        "interrupted,\n"
        "143 terminated. Ctrl-C and SIGTERM finish the iteration and save; a second one ends at "
        "once.\n"
        "mpirun -n R pilqr train .. shares a training between R processes; PILQR_MPI=off in the\n"
        "environment lets each train alone.");

    auto* tasks = app.add_subcommand("tasks", "List the tasks");
    tasks->add_flag("--json", tasks_json, "As JSON");

    auto* training = app.add_subcommand("train", "Train a policy, or go on with a run");
    train.add(*training, "1", "runs/TASK-ALGORITHM-seedS");
    training
        ->add_option("--algorithm", train.algorithm,
                     "pilqr, lqr_flm, pi2, or with a network mdgps_pilqr, .., trpo, ddpg [pilqr]")
        ->type_name("A");
    training
        ->add_option("--resume", resume,
                     "Go on with the run in this folder; only --iterations, "
                     "--threads and --quiet go with it")
        ->type_name("DIR");
    training->add_flag("--live", live, "Write report.html after every iteration");
    training->footer(
        "Settings: the task's defaults, the preset (--set preset=paper), --config, --set and "
        "flags,\n"
        "later ones win; one that the algorithm does not use is refused. The run folder gets\n"
        "config.toml with all of them, metrics.jsonl, policy.safetensors, best.safetensors and\n"
        "checkpoint/, saved after every iteration.");

    auto* comparing = app.add_subcommand("compare", "Train several algorithms over several seeds");
    compare.add(*comparing, "one per core", "runs/compare-TASK");
    comparing->add_option("--algorithms", algorithms, "[pilqr,lqr_flm,pi2]")->type_name("A,B,..");
    comparing->add_option("--seeds", seeds, "Number of seeds, from --seed or 0 on [5]")
        ->type_name("K");
    comparing->add_flag("--json", compare_json, "Print the summary as JSON, nothing else");
    comparing->footer(
        "The runs are in DIR/ALGORITHM/seed_S, the statistics in DIR/summary.json; after Ctrl-C\n"
        "those of the finished runs.");

    auto* reporting = app.add_subcommand("report", "Write an HTML page about runs");
    reporting->add_option("DIR", report_folders, "Run folders, or those of compare")->required();
    reporting
        ->add_option("--out", report_out,
                     "The file [DIR/report.html, or report.html of several DIR]")
        ->type_name("FILE");

    auto* evaluating = app.add_subcommand("evaluate", "Run a trained policy's mean");
    evaluating->add_option("DIR", folder, "A run folder")->required();
    evaluating->add_option("--rollouts", rollouts, "Rollouts per condition [20]")->type_name("R");
    evaluating->add_option("--seed", evaluation_seed, "Of the evaluation [the run's]")
        ->type_name("S");
    evaluating->add_flag("--noise", noise, "With exploration noise");
    evaluating->add_flag("--best", best,
                         "The policies whose samples cost least, not the last ones");
    evaluating->add_flag("--json", evaluate_json, "As JSON");

    auto* diagnosing = app.add_subcommand("diagnose", "Say what limits a run, and what to change");
    diagnosing->add_option("DIR", diagnosed, "A run folder")->required();
    diagnosing->add_flag("--json", diagnose_json, "As JSON");

    auto* exporting = app.add_subcommand("export", "Write a policy for other programs");
    exporting->add_option("DIR", exported, "A run folder, or a policy's safetensors file")
        ->required();
    exporting->add_option("--to", export_to, "header (C99 and C++) or safetensors")
        ->type_name("KIND")
        ->required();
    exporting->add_option("--out", export_out, "[NAME.h or NAME.safetensors]")->type_name("FILE");
    exporting->add_option("--name", export_name, "Begins every name in a header [the task's]")
        ->type_name("NAME");
    exporting
        ->add_option(
            "--condition", export_condition,
            "[header: the first; safetensors: all]; of a network, in a header: what it sees "
            "of the state")
        ->type_name("C");
    exporting->add_flag("--float", single, "A header of float, not double");
    exporting->add_option("--lower", lower, "Least controls, --lower=-1,-2")->type_name("A,B,..");
    exporting->add_option("--upper", upper, "Greatest controls")->type_name("A,B,..");
    exporting->footer("docs/deploy.md explains what the header holds and how to use it.");
  }

  int run(Ranks& ranks) const {
    require(!app.get_subcommands().empty(),
            "expected tasks, train, compare, report, evaluate, diagnose or export, see --help");
    if (app.got_subcommand("train")) return run_train(ranks);
    require(!ranks.several(), "{} runs in one process, not in {}; train is what they can share",
            app.get_subcommands().front()->get_name(), ranks.size());
    if (app.got_subcommand("tasks")) return list_tasks_command(tasks_json);
    if (app.got_subcommand("compare")) return run_compare();
    if (app.got_subcommand("export")) return run_export();
    if (app.got_subcommand("diagnose")) {
      return diagnose_command({.folder = diagnosed, .json = diagnose_json});
    }
    if (app.got_subcommand("report")) {
      ReportArguments arguments{.folders = {report_folders.begin(), report_folders.end()}};
      if (report_out) arguments.out = *report_out;
      return report_command(arguments);
    }
    return evaluate_command(
        {.folder = folder,
         .rollouts = number("--rollouts", rollouts).value_or(EvaluateArguments{}.rollouts),
         .seed = seed_number(evaluation_seed),
         .noise = noise,
         .best = best,
         .json = evaluate_json});
  }

 private:
  [[nodiscard]] int run_train(Ranks& ranks) const {
    TrainArguments arguments{.threads = number("--threads", train.threads).value_or(1),
                             .quiet = train.quiet,
                             .live = live};
    if (resume) {
      require(!train.task && !train.algorithm && !train.seed && !train.samples &&
                  !train.conditions && !train.config && !train.out && train.sets.empty(),
              "--resume {}: takes task and settings from the folder, besides --iterations",
              *resume);
      arguments.resume = *resume;
      arguments.iterations = number("--iterations", train.iterations);
    } else {
      arguments.settings = train.request();
      if (train.out) arguments.out = *train.out;
    }
    return train_command(arguments, ranks);
  }

  [[nodiscard]] int run_export() const {
    ExportArguments arguments{.source = exported,
                              .to = export_to,
                              .name = export_name,
                              .condition = number("--condition", export_condition),
                              .single = single,
                              .lower = numbers("--lower", lower),
                              .upper = numbers("--upper", upper)};
    if (export_out) arguments.out = *export_out;
    return export_command(arguments);
  }

  [[nodiscard]] int run_compare() const {
    CompareArguments arguments{.settings = compare.request(),
                               .threads = number("--threads", compare.threads),
                               .json = compare_json,
                               .quiet = compare.quiet};
    if (algorithms) arguments.algorithms = split(*algorithms);
    arguments.seeds = number("--seeds", seeds).value_or(arguments.seeds);
    if (compare.out) arguments.out = *compare.out;
    return compare_command(arguments);
  }
};

/// Of several ranks all find the same faults in their command line, and the first one tells.
int run(int argc, char** argv, Ranks& ranks) {
  const auto tell = [&](const std::string& message) {
    if (ranks.first()) print_error(message);
  };
  CommandLine line;
  try {
    line.app.parse(argc, argv);
    return line.run(ranks);
  } catch (const CLI::Success& help) {
    return ranks.first() ? line.app.exit(help) : exit_done;
  } catch (const CLI::Error& error) {
    tell(fmt::format("{}, see pilqr --help", error.what()));
  } catch (const std::bad_alloc&) {
    tell("out of memory");
    return exit_failure;
  } catch (const std::exception& error) {
    tell(error.what());
  }
  return exit_bad_input;
}

/// The exit status: an output that did not arrive is a failure too.
int checked(int status) {
  if (output_arrived()) return status;
  print_error("cannot write to the standard output");
  return status == exit_done ? exit_failure : status;
}

}  // namespace
}  // namespace pilqr::command

int main(int argc, char** argv) {
  using namespace pilqr::command;
  try {
    const auto ranks = Ranks::launched();
    const int status = checked(run(argc, argv, *ranks));
    // All end with the status of the first rank, which did the reading, writing and printing.
    return std::stoi(ranks->exchange(std::to_string(status)).front());
  } catch (const std::exception& error) {
    print_error(error.what());
    return exit_bad_input;
  }
}
