// Rows of words that stream through the passes of an operation.
//
// Dense rows are packed as they are reached, go through one pass after the other, each some rows behind the one before
// it, and are unpacked; what lies between is a ring of a few rows for each pass. So a mask is read once and written
// once, whatever the operation, and nothing leaves the cache in between. Packed masks are read and written in place.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "isa/pack_rows.hpp"
#include "pass_rows.hpp"

namespace rapidmask::cpu {

// Where rows are at: the input, or what a pass makes of another node's rows.
struct StreamNode {
  const PassLayout* layout = nullptr;
  std::size_t source = 0;
  std::int64_t ring_rows = 0;
};

// An operation as a graph of nodes, the input first, each after its source. The result is the rows of `result`, without
// those of `minus` unless that is kNone.
struct StreamGraph {
  static constexpr std::size_t kNone = ~std::size_t{0};
  static constexpr std::int64_t kTickBytes = 16 << 10;  // of packed rows that enter at once
  static constexpr std::int64_t kBlock = 4;             // rows that enter come in multiples of it

  Masks masks;
  MutableMasks out;
  std::vector<PassLayout> layouts;
  std::vector<StreamNode> nodes;
  std::size_t result = 0, minus = kNone;
  std::int64_t tick;  // rows

  StreamGraph(const Masks& in, const MorphologyPasses& plan, const MutableMasks& to) : masks(in), out(to) {
    const std::int64_t rows = kTickBytes / (8 * masks.words());
    tick = std::clamp<std::int64_t>(rows / kBlock, 1, 64) * kBlock;
    layouts.reserve(plan.passes.size() + plan.subtracted.size());
    nodes.push_back({});
    const std::size_t passes = add(plan.passes), subtracted = add(plan.subtracted);
    result = plan.difference == MorphologyPasses::from_input ? 0 : passes;
    if (plan.difference == MorphologyPasses::from_input) minus = passes;
    if (plan.difference == MorphologyPasses::input_from) minus = 0;
    if (plan.difference == MorphologyPasses::from_passes) minus = subtracted;
    size_rings();
  }

  // Whether the last pass may write the result itself.
  bool writes_result(std::size_t node) const { return out.packed && minus == kNone && node == result && node != 0; }

  // Rows beyond those of a band that its result depends on, on the side where they are more.
  std::int64_t reach() const {
    std::int64_t most = 0;
    for (const std::size_t node : {result, minus}) {
      std::int64_t before = 0, after = 0;
      for (std::size_t i = node; i != 0 && i != kNone; i = nodes[i].source) {
        before -= nodes[i].layout->low;
        after += nodes[i].layout->high;
      }
      most = std::max({most, before, after});
    }
    return most;
  }

 private:
  std::size_t add(const std::vector<MorphologyPass>& passes) {
    std::size_t last = 0;
    for (const MorphologyPass& pass : passes) {
      layouts.emplace_back(pass, masks, std::min(tick, PassLayout::kMostRows));
      for (std::int64_t i = 0; i < pass.times; ++i) {
        nodes.push_back({&layouts.back(), last, 0});
        last = nodes.size() - 1;
      }
    }
    return last;
  }

  // Rows that a node lags behind the input at most.
  std::int64_t lag(std::size_t node) const {
    std::int64_t rows = tick;
    for (; node != 0; node = nodes[node].source) rows += nodes[node].layout->high + kBlock;
    return rows;
  }

  // Rows stay until what reads them has advanced: a pass by its reach, the difference by what it waits for.
  void size_rings() {
    for (StreamNode& node : nodes) node.ring_rows = 2 * tick;
    for (const StreamNode& node : nodes) {
      if (node.layout == nullptr) continue;
      std::int64_t& rows = nodes[node.source].ring_rows;
      rows = std::max(rows, 3 * tick + node.layout->high - node.layout->low);
    }
    if (minus == kNone) return;
    nodes[result].ring_rows += lag(minus);
    nodes[minus].ring_rows += lag(result);
  }
};

// One thread's way through some rows of one mask after the other.
class StreamWorker {
 public:
  explicit StreamWorker(const StreamGraph& graph)
      : graph_(graph), runner_(graph.layouts, graph.masks.words()), states_(graph.nodes.size()) {
    const std::int64_t words = graph.masks.words();
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const bool in_place = i == 0 ? graph.masks.packed : graph.writes_result(i);
      if (!in_place) states_[i].rows.allocate(graph.nodes[i].ring_rows, words);
    }
    if (graph.minus != StreamGraph::kNone && !graph.out.packed) row_ = WordBuffer(words);
  }

  void run(std::int64_t mask, std::int64_t begin, std::int64_t end) {
    start(mask, begin, end);
    for (std::int64_t done = begin; done < end;) {
      advance_input(mask);
      for (std::size_t i = 1; i < states_.size(); ++i) advance(i);
      std::int64_t ready = states_[graph_.result].end;
      if (graph_.minus != StreamGraph::kNone) ready = std::min(ready, states_[graph_.minus].end);
      for (ready = std::min(ready, end); done < ready; ++done) write(mask, done);
    }
  }

 private:
  struct State {
    RowStream rows;
    std::int64_t end = 0, stop = 0;  // rows before `end` are there, those from `stop` on are not needed
  };

  // What each node must begin and end with.
  void start(std::int64_t mask, std::int64_t begin, std::int64_t end) {
    const Masks& masks = graph_.masks;
    const std::int64_t words = masks.words(), rows = masks.d * masks.h;
    for (State& state : states_) {
      state.end = rows;
      state.stop = 0;
    }
    const auto need = [&](std::size_t node, std::int64_t first, std::int64_t last) {
      State& state = states_[node];
      state.end = std::min(state.end, std::max<std::int64_t>(first, 0));
      state.stop = std::max(state.stop, std::min(last, rows));
    };
    need(graph_.result, begin, end);
    if (graph_.minus != StreamGraph::kNone) need(graph_.minus, begin, end);
    for (std::size_t i = states_.size() - 1; i > 0; --i) {
      const StreamNode& node = graph_.nodes[i];
      need(node.source, states_[i].end + node.layout->low, states_[i].stop + node.layout->high);
    }
    if (masks.packed) {
      // Only read from: the input's rows.
      auto* const input = reinterpret_cast<std::uint64_t*>(const_cast<std::uint8_t*>(masks.mask(mask)));
      states_[0].rows.view(input, words);
    }
    if (graph_.writes_result(graph_.result)) {
      states_[graph_.result].rows.view(reinterpret_cast<std::uint64_t*>(graph_.out.mask(mask)), words);
    }
  }

  void advance_input(std::int64_t mask) {
    const Masks& masks = graph_.masks;
    State& input = states_[0];
    const std::int64_t to = std::min(input.stop, input.end + graph_.tick);
    if (!masks.packed) {
      const std::uint8_t* const dense = masks.mask(mask);
      for (std::int64_t row = input.end; row < to; ++row) {
        pack_.pack(dense + row * masks.w, 1, masks.w, input.rows.row(row));
      }
    }
    input.end = std::max(input.end, to);
  }

  // As many rows as the source allows, in whole blocks unless they are the last.
  void advance(std::size_t i) {
    const StreamNode& node = graph_.nodes[i];
    const State& source = states_[node.source];
    State& state = states_[i];
    const bool complete = source.end >= source.stop;
    std::int64_t to = complete ? state.stop : std::min(state.stop, source.end - node.layout->high);
    to = std::min(to, state.end + graph_.tick);
    if (to < state.stop) to -= (to - state.end) % StreamGraph::kBlock;
    if (to <= state.end) return;
    runner_.run(*node.layout, source.rows, state.rows, state.end, to);
    state.end = to;
  }

  void write(std::int64_t mask, std::int64_t row) {
    if (graph_.writes_result(graph_.result)) return;
    const MutableMasks& out = graph_.out;
    const std::uint64_t* words = states_[graph_.result].rows.row(row);
    const bool difference = graph_.minus != StreamGraph::kNone;
    if (out.packed) {
      auto* const to = reinterpret_cast<std::uint64_t*>(out.mask(mask)) + row * out.words();
      if (difference) {
        subtract_(words, states_[graph_.minus].rows.row(row), out.words(), to);
      } else {
        std::copy_n(words, out.words(), to);
      }
      return;
    }
    if (difference) {
      subtract_(words, states_[graph_.minus].rows.row(row), out.words(), row_.data());
      words = row_.data();
    }
    pack_.unpack(words, 1, out.w, out.mask(mask) + row * out.w);
  }

  const StreamGraph& graph_;
  const PackRows& pack_ = pack_rows();
  decltype(MorphologyRows::subtract) subtract_ = morphology_rows().subtract;
  PassRunner runner_;
  std::vector<State> states_;
  WordBuffer row_;
};

}  // namespace rapidmask::cpu
