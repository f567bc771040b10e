/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

MACHINE_DEFINE_RETURN;
