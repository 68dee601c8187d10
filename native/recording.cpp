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
//
// The engine counts, queues and locks, which takes longer than the backward of a small tensor. Most calls make one
// function whose gradients end in sinks at once; where all of them are wanted, it is called without the engine.
#include "recording.h"

#include <ATen/ExpandUtils.h>
#include <ATen/ScalarOps.h>
#include <ATen/core/DimVector.h>
#include <ATen/core/enum_tag.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/grad_mode.h>
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
  explicit Sink(const at::Tensor& tensor) : sizes(tensor.sizes()), dtype(tensor.scalar_type()) {}
  torch::autograd::variable_list apply(torch::autograd::variable_list&&) override { return {}; }
  at::DimVector sizes;
  at::ScalarType dtype;
};

// The same elements as a tensor of its own, without a graph.
at::Tensor aliasOf(const at::Tensor& tensor) {
  return at::Tensor(tensor.unsafeGetTensorImpl()->shallow_copy_and_detach(c10::VariableVersion(0), true));
}

const c10::StorageImpl* memoryOf(const at::Tensor& tensor) {
  return tensor.defined() && tensor.has_storage() ? tensor.storage().unsafeGetStorageImpl() : nullptr;
}

size_t numUsers(const at::Tensor& tensor) { return tensor.storage().use_count(); }

// Throws for an operator that overwrites its arguments: a later backward would find the new elements.
void refuseOverwriting(Operator& op) {
  if (op.isRecordable) return;
  for (const auto& argument : op.handle.schema().arguments())
    TORCH_CHECK(argument.alias_info() == nullptr || !argument.alias_info()->isWrite(),
                "a recorded operator must not overwrite its arguments, whose old elements a backward may need; this one overwrites ",
                argument.name(), "; call the operator without the underscore or the `out`");
  op.isRecordable = true;
}

// Throws when this call draws random numbers that belong to no generator of ours. A probability of dropout tells:
// LibTorch marks such operators whatever it is, and LibTorch 1.13 does not mark all of them.
void refuseForeignRandomNumbers(const Operator& op, const torch::jit::Stack& stack) {
  bool isRandom = op.handle.hasTag(at::Tag::nondeterministic_seeded);
  bool drawsNothing = false;
  for (size_t i = 0; i < op.arguments.size(); i++) {
    const Argument& argument = op.arguments[i];
    if (argument.kind == ArgumentKind::Generator) return;
    bool isProbability = argument.name == "dropout" || argument.name == "dropout_p";
    isRandom = isRandom || isProbability;
    if ((isProbability || argument.name == "p") && stack[i].isDouble() && stack[i].toDouble() == 0) drawsNothing = true;
    if (argument.name == "train" && stack[i].isBool() && !stack[i].toBool()) drawsNothing = true;
  }
  TORCH_CHECK(!isRandom || drawsNothing,
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
      auto sink = std::make_shared<Sink>(alias);
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

// The position of the tensor where a gradient ends that leaves its function by this edge; -1 where it goes on.
int sinkOf(const Edge& edge, const std::vector<Edge>& tensors) {
  for (size_t i = 0; i < tensors.size(); i++)
    if (tensors[i].function == edge.function) return static_cast<int>(i);
  return -1;
}

// Finds the one function of a call, if it has only one and each of its gradients is that of another tensor.
void findOnlyFunction(Recording& recording) {
  torch::autograd::Node* only = nullptr;
  for (const Edge& result : recording.results) {
    if (!result.is_valid()) continue;
    // A result that is one of the tensors itself has no function.
    if (sinkOf(result, recording.tensors) >= 0 || (only != nullptr && result.function.get() != only)) return;
    only = result.function.get();
  }
  if (only == nullptr) return;
  std::vector<int> outputs(recording.tensors.size(), -1);
  for (size_t i = 0; i < only->num_outputs(); i++) {
    const Edge& next = only->next_edge(i);
    if (!next.is_valid()) continue;
    int tensor = sinkOf(next, recording.tensors);
    if (tensor < 0 || outputs[tensor] >= 0) return;
    outputs[tensor] = static_cast<int>(i);
  }
  recording.only = only;
  recording.outputs = std::move(outputs);
}

napi_value toNumbers(napi_env env, const std::vector<double>& values) {
  napi_value result;
  napi_create_array_with_length(env, values.size(), &result);
  for (size_t i = 0; i < values.size(); i++) napi_set_element(env, result, static_cast<uint32_t>(i), fromNumber(env, values[i]));
  return result;
}

// What the call leaves behind, as one list of numbers: an object with a list for each kind of fact took longer to make
// than a small operator takes. src/tensor/calls/recording.ts reads it.
napi_value describeRecording(Environment& state, napi_env env, const std::vector<at::Tensor>& results, const Recording& recording,
                             const std::vector<const c10::StorageImpl*>& memory, const std::vector<size_t>& users, double id) {
  auto numResultsIn = [&](const c10::StorageImpl* of) {
    size_t count = 0;
    for (const at::Tensor& result : results) count += of != nullptr && memoryOf(result) == of;
    return count;
  };
  std::vector<double> facts{id, static_cast<double>(results.size())};
  facts.reserve(2 + 3 * results.size() + memory.size());
  for (size_t i = 0; i < results.size(); i++) {
    const c10::StorageImpl* own = memoryOf(results[i]);
    auto input = own == nullptr ? memory.end() : std::find(memory.begin(), memory.end(), own);
    bool isView = input != memory.end();
    bool isKept = own != nullptr && !isView && numUsers(results[i]) > numResultsIn(own);
    facts.push_back(results[i].defined() ? state.tensors.insert(results[i]) : -1);
    facts.push_back(isView ? static_cast<double>(input - memory.begin()) : -1);
    facts.push_back((recording.results[i].is_valid() ? 1 : 0) + (isKept ? 2 : 0));
  }
  for (size_t i = 0; i < memory.size(); i++)
    if (memory[i] != nullptr && c10::raw::intrusive_ptr::use_count(const_cast<c10::StorageImpl*>(memory[i])) > users[i] + numResultsIn(memory[i]))
      facts.push_back(static_cast<double>(i));
  return toNumbers(env, facts);
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
    refuseOverwriting(op);
    refuseForeignRandomNumbers(op, state.stack);
    Tensors tensors;
    for (size_t i = 0; i < state.stack.size(); i++)
      if (word.isTensor(i)) tensors.add(state.stack[i], wanted);
    recording.tensors = tensors.edges();
    memory = tensors.memory();
    users = tensors.users();
    op.handle.callBoxed(&state.stack);
  });

  std::vector<at::Tensor> results;
  for (at::Tensor& result : takeResults(state.stack)) {
    bool isDifferentiable = result.defined() && result.requires_grad();
    recording.results.push_back(isDifferentiable ? torch::autograd::impl::gradient_edge(result) : Edge());
    results.push_back(result.defined() ? aliasOf(result) : result);
  }
  findOnlyFunction(recording);
  double id = state.numRecordings++;
  napi_value facts = describeRecording(state, env, results, recording, memory, users, id);
  state.recordings.emplace(id, std::move(recording));
  return Napi::Value(env, facts);
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
  // A gradient that is zero by its formula may be a tensor without memory.
  if (gradient._is_zerotensor() || !gradient.is_non_overlapping_and_dense()) return gradient.clone(at::MemoryFormat::Contiguous);
  return aliasOf(gradient);
}

// A gradient as large as its tensor and of its dtype: what the engine does with those of an operator that broadcasts.
at::Tensor fitted(at::Tensor gradient, const Sink& sink) {
  if (!gradient.defined()) return gradient;
  if (gradient.sizes() != at::IntArrayRef(sink.sizes)) gradient = at::sum_to(std::move(gradient), sink.sizes);
  return gradient.scalar_type() == sink.dtype ? gradient : gradient.to(sink.dtype);
}

// Whether the call has only one function, and these are all tensors that it has a gradient for.
bool isWhole(const Recording& recording, const std::vector<double>& positions) {
  if (recording.only == nullptr) return false;
  size_t numWanted = 0, numOutputs = 0;
  for (double position : positions) numWanted += recording.outputs.at(static_cast<size_t>(position)) >= 0;
  for (int output : recording.outputs) numOutputs += output >= 0;
  return numWanted == numOutputs;
}

// What the engine would compute, of the one function of a call.
std::vector<at::Tensor> callOnlyFunction(const Recording& recording, const std::vector<at::Tensor>& given, const std::vector<double>& positions) {
  at::AutoGradMode withoutGraph(false);
  torch::autograd::variable_list seeds(recording.only->num_inputs());
  for (size_t i = 0; i < given.size(); i++)
    if (given[i].defined() && recording.results[i].is_valid()) seeds.at(recording.results[i].input_nr) = aliasOf(given[i]);
  auto computed = (*recording.only)(std::move(seeds));
  std::vector<at::Tensor> found(positions.size());
  for (size_t i = 0; i < positions.size(); i++) {
    auto position = static_cast<size_t>(positions[i]);
    int output = recording.outputs[position];
    if (output < 0 || static_cast<size_t>(output) >= computed.size()) continue;
    found[i] = fitted(std::move(computed[output]), static_cast<const Sink&>(*recording.tensors[position].function));
  }
  return found;
}

std::vector<at::Tensor> callEngine(const Recording& recording, const std::vector<at::Tensor>& given, const std::vector<double>& positions) {
  torch::autograd::edge_list from, to;
  torch::autograd::variable_list seeds;
  for (size_t i = 0; i < given.size(); i++) {
    if (!given[i].defined() || !recording.results[i].is_valid()) continue;
    from.push_back(recording.results[i]);
    seeds.push_back(aliasOf(given[i]));
  }
  for (double position : positions) to.push_back(recording.tensors.at(static_cast<size_t>(position)));
  // The graph is kept, because W asks the same recording as I did.
  return torch::autograd::Engine::get_default_engine().execute(from, seeds, /*keep_graph=*/true, /*create_graph=*/false, /*accumulate_grad=*/false, to);
}

// gradients(recording, resultGradients, positions): the gradients of the tensors at these positions; null for none.
Napi::Value gradients(const Napi::CallbackInfo& info) {
  Environment& state = Environment::of(info.Env());
  const Recording& recording = recordingOf(info);
  auto given = tensors(state, info.Env(), info[1], "resultGradients");
  auto positions = numbers(info.Env(), info[2], "positions");
  TORCH_CHECK(given.size() == recording.results.size(), "resultGradients must have ", recording.results.size(), " gradients; got ", given.size());
  bool isAny = false;
  for (size_t i = 0; i < given.size(); i++) isAny |= given[i].defined() && recording.results[i].is_valid();
  std::vector<at::Tensor> found(positions.size());
  if (isAny) {
    auto computed = isWhole(recording, positions) ? callOnlyFunction(recording, given, positions) : callEngine(recording, given, positions);
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
