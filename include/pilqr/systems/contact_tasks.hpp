#pragma once
/// The tasks of the systems with contact. Part of pilqr::contact.

#include <vector>

#include "pilqr/systems/task.hpp"

namespace pilqr {

/// In a fixed order; tasks() lists them too where the library was built with Box2D.
std::vector<Task> contact_tasks();

}  // namespace pilqr
