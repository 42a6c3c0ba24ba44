#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The unit tests and the fuzz corpora under the address and undefined-behaviour sanitizers.
exec make --no-print-directory -j"${JOBS:-2}" BUILD="${BUILD:-build}" asan
