// The gradient of any operator, from LibTorch's own autograd.
//
// LibTorch knows the gradient of nearly every operator, but its backward is one walk over one graph, which it owns. A
// pipeline needs walks that stop at half of the gradients, wait for other ranks, and free memory at known times. So
// LibTorch gets a graph of a single call: its tensors become aliases whose gradients end in a Sink, and what JavaScript
// gets has no graph. For our autograd the call is one node. In a backward, the node asks for the gradients that it
// wants, of some tensors in I and of others in W, and LibTorch's engine computes no more than those.
//
// A sink, and not the alias itself, is where a gradient ends: a leaf of LibTorch's graph keeps its tensor, and with it
// memory that most backwards do not read. What the backward does read, only LibTorch knows, since each of its functions
// saves what it needs. But a saved tensor has one more user of its memory than the call itself accounts for. Counting
// users says which tensors must not be changed before the backward.
#include "recording.h"

#include <ATen/ScalarOps.h>
#include <ATen/core/enum_tag.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>

#include "convert.h"
#include "dispatch.h"
#include "guard.h"

namespace dualpipe {

namespace {

using torch::autograd::Edge;

// Where the gradient of one tensor ends. The engine takes it from here, so there is nothing to run.
struct Sink : torch::autograd::Node {
  torch::autograd::variable_list apply(torch::autograd::variable_list&&) override { return {}; }
};

// The same elements as a tensor of its own, without a graph.
at::Tensor aliasOf(const at::Tensor& tensor) {
  return at::Tensor(tensor.unsafeGetTensorImpl()->shallow_copy_and_detach(c10::VariableVersion(0), true));
}

const c10::StorageImpl* memoryOf(const at::Tensor& tensor) {
  return tensor.defined() && tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
}

size_t numUsers(const at::Tensor& tensor) { return tensor.storage().use_count(); }

// Throws for what a later backward would get wrong.
void refuse(const Operator& op) {
  const auto& schema = op.handle.schema();
  for (const auto& argument : schema.arguments())
    TORCH_CHECK(argument.alias_info() == nullptr || !argument.alias_info()->isWrite(),
                "a recorded operator must not overwrite its arguments, whose old elements a backward may need; this one overwrites ",
                argument.name(), "; call the operator without the underscore or the `out`");
  bool hasGenerator = false;
  for (const auto& argument : op.arguments) hasGenerator |= argument.kind == ArgumentKind::Generator;
  TORCH_CHECK(hasGenerator || !op.handle.hasTag(at::Tag::nondeterministic_seeded),
              "a recorded operator must take its random numbers from a generator that it is given; this one takes them from "
              "LibTorch's own, which all threads share; multiply by a mask of runtime.rand instead");
}

// The tensors of one call, each replaced by its alias, and how many users their memory had before it.
class Tensors {
 public:
  void add(c10::IValue& value, const std::vector<bool>& wanted) {
    if (value.isTensor()) {
      value = replace(value.toTensor(), wanted);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(replace(tensor, wanted));
      value = list;
    } else {
      c10::List<c10::optional<at::Tensor>> list;
      for (const c10::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
        at::Tensor alias = replace(tensor.value_or(at::Tensor()), wanted);
        list.push_back(alias.defined() ? c10::optional<at::Tensor>(alias) : c10::nullopt);
      }
      value = list;
    }
  }

  const std::vector<Edge>& edges() const { return edges_; }
  const std::vector<const c10::StorageImpl*>& memory() const { return memory_; }
  const std::vector<size_t>& users() const { return users_; }

 private:
  at::Tensor replace(const at::Tensor& tensor, const std::vector<bool>& wanted) {
    size_t position = edges_.size();
    edges_.emplace_back();
    memory_.push_back(memoryOf(tensor));
    users_.push_back(memory_.back() == nullptr ? 0 : numUsers(tensor));
    if (!tensor.defined()) return tensor;
    at::Tensor alias = aliasOf(tensor);
    if (position < wanted.size() && wanted[position]) {
      auto sink = std::make_shared<Sink>();
      Edge edge(sink, sink->add_input_metadata(alias));
      torch::autograd::impl::set_gradient_edge(alias, edge);
      edges_.back() = edge;
    }
    return alias;
  }

  std::vector<Edge> edges_;
  std::vector<const c10::StorageImpl*> memory_;
  // The alias itself is no user any more when `record` compares: the stack that had it is empty by then.
  std::vector<size_t> users_;
};

std::vector<at::Tensor> takeResults(torch::jit::Stack& stack) {
  std::vector<at::Tensor> results;
  for (c10::IValue& value : stack) {
    if (value.isTensor()) results.push_back(std::move(value).toTensor());
    else if (value.isTensorList()) for (const at::Tensor& tensor : value.toTensorVector()) results.push_back(tensor);
    else if (value.isBool() || value.isInt() || value.isDouble()) results.push_back(c10::scalar_to_tensor(value.toScalar()));
    else TORCH_CHECK(value.isNone(), "it returns a ", value.tagKind(), ", which cannot be passed to JavaScript");
  }
  stack.clear();
  return results;
}

Napi::Value flags(Napi::Env env, const std::vector<bool>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); i++) array.Set(static_cast<uint32_t>(i), Napi::Boolean::New(env, values[i]));
  return array;
}

// record(wanted, word, ...arguments): what it returns is in src/native/addon.ts. `wanted` has a flag for each tensor
// among the arguments, also for each of a list.
Napi::Value record(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& state = Environment::of(env);
  std::vector<bool> wanted;
  for (double flag : numbers(env, info[0], "wanted")) wanted.push_back(flag != 0);
  Word word(number(env, info[1], "operator"));

  Recording recording;
  std::vector<const c10::StorageImpl*> memory;
  std::vector<size_t> users;
  executeWith(info, word, 2, [&](Environment&, Operator& op) {
    refuse(op);
    Tensors tensors;
    for (size_t i = 0; i < state.stack.size(); i++)
      if (word.isTensor(i)) tensors.add(state.stack[i], wanted);
    recording.tensors = tensors.edges();
    memory = tensors.memory();
    users = tensors.users();
    op.handle.callBoxed(&state.stack);
  });

  std::vector<at::Tensor> results;
  std::vector<bool> isDifferentiable;
  for (at::Tensor& result : takeResults(state.stack)) {
    isDifferentiable.push_back(result.defined() && result.requires_grad());
    recording.results.push_back(isDifferentiable.back() ? torch::autograd::impl::gradient_edge(result) : Edge());
    results.push_back(result.defined() ? aliasOf(result) : result);
  }
  auto numResultsIn = [&](const c10::StorageImpl* of) {
    size_t count = 0;
    for (const at::Tensor& result : results) count += of != nullptr && memoryOf(result) == of;
    return count;
  };
  std::vector<bool> isTensorKept, isResultKept;
  std::vector<double> viewOf;
  for (size_t i = 0; i < memory.size(); i++)
    isTensorKept.push_back(memory[i] != nullptr && c10::raw::intrusive_ptr::use_count(const_cast<c10::StorageImpl*>(memory[i])) > users[i] + numResultsIn(memory[i]));
  for (const at::Tensor& result : results) {
    const c10::StorageImpl* own = memoryOf(result);
    auto input = own == nullptr ? memory.end() : std::find(memory.begin(), memory.end(), own);
    viewOf.push_back(input == memory.end() ? -1 : static_cast<double>(input - memory.begin()));
    isResultKept.push_back(own != nullptr && input == memory.end() && numUsers(result) > numResultsIn(own));
  }
  auto views = Napi::Array::New(env, viewOf.size());
  for (size_t i = 0; i < viewOf.size(); i++) views.Set(static_cast<uint32_t>(i), Napi::Number::New(env, viewOf[i]));

  auto result = Napi::Object::New(env);
  result.Set("results", Napi::Value(env, fromTensors(state, env, results)));
  result.Set("isDifferentiable", flags(env, isDifferentiable));
  result.Set("isTensorKept", flags(env, isTensorKept));
  result.Set("isResultKept", flags(env, isResultKept));
  result.Set("viewOf", views);
  double id = state.numRecordings++;
  state.recordings.emplace(id, std::move(recording));
  result.Set("recording", Napi::Number::New(env, id));
  return result;
}

const Recording& recordingOf(const Napi::CallbackInfo& info) {
  auto& recordings = Environment::of(info.Env()).recordings;
  auto found = recordings.find(number(info.Env(), info[0], "recording"));
  TORCH_CHECK(found != recordings.end(), "this recording was freed");
  return found->second;
}

// A gradient as our autograd may own it: a tensor of its own, with memory for each element.
at::Tensor ownGradient(at::Tensor gradient) {
  if (!gradient.defined()) return gradient;
  if (!gradient.is_non_overlapping_and_dense()) return gradient.clone(at::MemoryFormat::Contiguous);
  return aliasOf(gradient);
}

// gradients(recording, resultGradients, positions): the gradients of the tensors at these positions; null for none.
Napi::Value gradients(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  const Recording& recording = recordingOf(info);
  auto given = tensors(state, info.Env(), info[1], "resultGradients");
  TORCH_CHECK(given.size() == recording.results.size(), "resultGradients must have ", recording.results.size(), " gradients; got ", given.size());
  torch::autograd::edge_list from, to;
  torch::autograd::variable_list seeds;
  for (size_t i = 0; i < given.size(); i++) {
    if (!given[i].defined() || !recording.results[i].is_valid()) continue;
    from.push_back(recording.results[i]);
    seeds.push_back(aliasOf(given[i]));
  }
  for (double position : numbers(info.Env(), info[2], "positions")) to.push_back(recording.tensors.at(static_cast<size_t>(position)));
  std::vector<at::Tensor> found(to.size());
  if (!from.empty()) {
    // The graph is kept, because W asks the same recording as I did.
    auto computed = torch::autograd::Engine::get_default_engine().execute(from, seeds, /*keep_graph=*/true, /*create_graph=*/false, /*accumulate_grad=*/false, to);
    seeds.clear();
    for (size_t i = 0; i < computed.size(); i++) found[i] = ownGradient(std::move(computed[i]));
  }
  return Napi::Value(info.Env(), fromTensors(state, info.Env(), found));
}

Napi::Value release(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).recordings.erase(number(info.Env(), info[0], "recording"));
  return info.Env().Undefined();
}

}  // namespace

void defineRecording(Napi::Object& exports) {
  auto recording = Napi::Object::New(exports.Env());
  define<record>(recording, "record");
  define<gradients>(recording, "gradients");
  define<release>(recording, "release");
  exports.Set("recording", recording);
}

}  // namespace dualpipe
