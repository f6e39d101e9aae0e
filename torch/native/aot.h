// Networks that were compiled ahead of time.
#pragma once

#include "addon.h"

namespace penumbra {

void exportAot(napi_env env, napi_value exports);

}  // namespace penumbra
