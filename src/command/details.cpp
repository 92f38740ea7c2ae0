#include "details.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string_view>
#include <vector>

#include "console.hpp"
#include "pilqr/io/atomic_file.hpp"
#include "pilqr/io/tensors.hpp"

namespace pilqr::command {
namespace {

template <class Vector>
std::string as_array(const Vector& values) {
  std::string out = "[";
  for (const double value : values) {
    const bool told = std::isfinite(value) && std::abs(value) < std::numeric_limits<double>::max();
    if (out.size() > 1) out += ',';
    out += told ? fmt::format("{:.4g}", value) : "null";
  }
  return out + ']';
}

/// The sample whose total cost has as many below as above it, or one more below.
int median_sample(const Rollouts<>& rollouts) {
  const VectorX cost = rollouts.total_cost();
  std::vector<int> order(static_cast<std::size_t>(rollouts.samples()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return cost(a) < cost(b); });
  return order[order.size() / 2];
}

}  // namespace

std::string details_line(const IterationRecord& record, const Rollouts<>& rollouts,
                         const LinearGaussianPolicy<>* policy) {
  std::string out =
      fmt::format("{{\"iteration\":{},\"condition\":{}", record.iteration, record.condition);
  const auto add = [&](const char* key, const VectorX& values) {
    if (values.size() > 0) out += fmt::format(",\"{}\":{}", key, as_array(values));
  };
  const UpdateSteps& steps = record.report.steps;
  add("kl_step", steps.kl_step);
  add("kl", steps.kl);
  add("residual_ratio", steps.residual_ratio);
  add("temperature", steps.temperature);
  add("effective_samples", steps.effective_samples);
  VectorX exploration(policy == nullptr ? 0 : policy->steps());
  for (int t = 0; t < rows(exploration); ++t) {
    exploration(t) = std::sqrt(policy->L[t].squaredNorm() / policy->nu());
  }
  add("exploration", exploration);

  constexpr int frames = 50;
  const int every = (rollouts.steps() + frames - 1) / frames;
  const int sample = median_sample(rollouts);
  out += fmt::format(",\"rollout\":{{\"sample\":{},\"cost\":{:.6g},\"every\":{},\"x\":[", sample,
                     rollouts.cost.row(sample).sum(), every);
  for (int t = 0; t < rollouts.steps(); t += every) {
    const VectorX x = rollouts.x[t].col(sample);
    if (t > 0) out += ',';
    out += as_array(x);
  }
  return out + "]}}\n";
}

void DetailsWriter::append(const std::string& line) {
  if (failed_) return;
  try {
    if (!lines_) lines_.emplace(path_);
    lines_->append(line);
  } catch (const FileError& error) {
    failed_ = true;
    print_error(fmt::format("{}; the run goes on without it", error.what()));
  }
}

std::string kept_details(const std::filesystem::path& path, int iterations) {
  if (!std::filesystem::exists(path)) return {};
  const std::string text = read_file(path);
  return std::string(details_before(text, iterations));
}

std::string_view details_before(std::string_view text, int iterations) {
  constexpr std::string_view first = "{\"iteration\":";
  std::size_t end = 0;
  while (true) {
    const std::size_t stop = text.find('\n', end);
    if (stop == std::string_view::npos) break;
    const std::string_view line = text.substr(end, stop - end);
    if (!line.starts_with(first) || !line.ends_with("]}}")) break;
    int iteration = 0;
    const std::string number(line.substr(first.size(), line.find(',') - first.size()));
    if (!TensorReader::parse_number(number, iteration) || iteration >= iterations) break;
    end = stop + 1;
  }
  return text.substr(0, end);
}

}  // namespace pilqr::command
