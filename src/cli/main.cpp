#include "cli/run.h"

int main(int argc, char** argv) {
  return merganser::cli::run(std::vector<std::string>(argv, argv + argc), {});
}
