// Operators as the dispatcher describes them, in the form that calls need.
#pragma once

#include "addon.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace penumbra {

enum class Kind { Tensor, Int, Float, Bool, String, Scalar, ScalarType, Layout, MemoryFormat, Device, Generator, Reduction, Unsupported };

struct Parameter {
  std::string name;  // camelCase
  int32_t nameId;    // of `name`
  Kind kind;
  bool list = false, optional = false, elementOptional = false, hasDefault = false, keywordOnly = false;
  int32_t broadcast = 0;  // int[N]: one number stands for all N
  c10::IValue defaultValue;
  c10::TypePtr type, elementType;  // of a list: what it holds, with symbolic integers as plain ones
  bool byPosition() const { return !hasDefault && !keywordOnly; }
};

struct Guard;

struct Overload {
  c10::OperatorHandle op;
  std::vector<Parameter> parameters;
  size_t positional = 0;  // parameters that go by position
  bool writes = false;    // an argument comes back as the result
  bool writesOut = false;  // into a tensor that is passed by name
  const Guard* guard = nullptr;  // what is looked at before the call; nullptr for nearly all
};

// All overloads of one name ("aten::add"), or a single one ("aten::add.Tensor").
struct Packet {
  std::string name;
  std::vector<Overload> overloads;
  // The overload for 1, 2 or 3 tensors and nothing else, and for a tensor and a number, where its result is one tensor.
  const Overload* direct[4] = {};
  const Overload* directScalar = nullptr;
  bool givesOneTensor = true;  // every overload does
};

const Packet& packetAt(int32_t index);  // throws where there is none
int32_t nameId(const std::string& camelCase);  // names of parameters as numbers, so that a call compares no strings
std::string schemaText(const Overload& overload);

// What would end the process inside libtorch (guards.cpp). Both throw, with what to do instead.
const Guard* guardOf(const std::string& name);
void refuseWhatCrashes(const Overload& overload, const c10::Stack& stack);  // by the overload's guard
void refuseUnwritable(const Overload& overload, const c10::Stack& stack);   // where it writes into a tensor that is passed by name

}  // namespace penumbra
