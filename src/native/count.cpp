// Counts operations, for tests that hold a form of the model to few of them.

#include <ATen/core/function_schema.h>
#include <ATen/record_function.h>

#include <initializer_list>
#include <memory>
#include <string_view>

namespace {

// An operation that goes on.
struct Operation : at::ObserverContext {
  Operation *outer;
  bool is_view, has_inner = false, inner_works = false;
};

thread_local Operation *innermost = nullptr;
thread_local at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;
thread_local size_t n_operations = 0;

// Whether an operation gives a device nothing to do: it makes a view, or memory, or asks something.
bool is_view(const at::RecordFunction &function) {
  const std::string_view name = function.name();
  for (const std::string_view other : {"aten::empty", "aten::new_empty", "aten::is_same_size"}) {
    if (name.substr(0, other.size()) == other) {
      return true;
    }
  }
  const auto schema = function.operator_schema();
  if (!schema || schema->returns().empty()) {
    return false;
  }
  const auto *alias = schema->returns()[0].alias_info();
  return alias && !alias->isWrite();
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction &function) {
  auto operation = std::make_unique<Operation>();
  operation->outer = innermost;
  operation->is_view = is_view(function);
  innermost = operation.get();
  return operation;
}

void end(const at::RecordFunction &, at::ObserverContext *context) {
  const auto *const operation = static_cast<Operation *>(context);
  innermost = operation->outer;
  // One that is made of others works where one of them does.
  const bool works = operation->has_inner ? operation->inner_works : !operation->is_view;
  if (operation->outer) {
    operation->outer->has_inner = true;
    operation->outer->inner_works |= works;
  } else if (works) {
    n_operations++;
  }
}

} // namespace

extern "C" {

// Counts this thread's operations that give a device something to do, from now on.
void almt_count_begin() {
  n_operations = 0;
  handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));
}

// How many there were.
size_t almt_count_end() {
  at::removeCallback(handle);
  return n_operations;
}
}
