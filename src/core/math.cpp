#include "core/math.h"

#include <sleef.h>

namespace merganser::math {

// "cinz": consistent over CPUs because no fused multiply-add is used; "purec": no intrinsics
// either.
double sin(double x) { return Sleef_cinz_sind1_u10purec(x); }

double cos(double x) { return Sleef_cinz_cosd1_u10purec(x); }

double acos(double x) { return Sleef_cinz_acosd1_u10purec(x); }

}  // namespace merganser::math
