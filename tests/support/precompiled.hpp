#pragma once
// Headers of many tests, compiled once for all of them. A test includes what it uses all the same.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pilqr/pilqr.hpp"
#include "pilqr/systems/task.hpp"
#include "pilqr/train/trainer.hpp"
