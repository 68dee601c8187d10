// The addon's exports. Its state is an Environment per JavaScript thread.
#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Logging.h>
#include <torch/csrc/api/include/torch/version.h>

#include <mutex>
#include <string>

#include "cuda.h"
#include "processes.h"
#include "dispatch.h"
#include "environment.h"
#include "guard.h"
#include "mailbox.h"
#include "memory.h"
#include "oracle.h"
#include "recording.h"
#include "schemas.h"
#include "tensors.h"

namespace {

// LibTorch writes down the stack for each error, which takes about 10 ms and is in no message of ours.
void leaveStacksOut() {
  static std::once_flag once;
  std::call_once(once, [] { c10::SetStackTraceFetcher([] { return std::string(); }); });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  dualpipe::installAllocator();
  leaveStacksOut();
  auto* state = new dualpipe::Environment();
  state->generator = at::detail::createCPUGenerator();
  napi_set_instance_data(env, state, [](napi_env, void* data, void*) { delete static_cast<dualpipe::Environment*>(data); }, nullptr);
  exports.Set("libtorchVersion", TORCH_VERSION);
  dualpipe::defineErrors(exports);
  dualpipe::defineDispatch(exports);
  dualpipe::defineTensors(exports);
  dualpipe::defineMemory(exports);
  dualpipe::defineMailbox(exports);
  dualpipe::defineCuda(exports);
  dualpipe::defineProcesses(exports);
  dualpipe::defineRecording(exports);
  dualpipe::defineSchemas(exports);
  dualpipe::defineOracle(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(dualpipe, initialize)
