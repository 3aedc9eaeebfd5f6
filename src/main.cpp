#include "cli/app.hpp"

int main(int argc, char** argv) { return murder::cli::run(argc, argv); }
