// What a GPU was asked to do, recorded once and done again by one call.
#pragma once

#include "addon.h"

namespace penumbra {

void exportCudaGraph(napi_env env, napi_value exports);

}  // namespace penumbra
