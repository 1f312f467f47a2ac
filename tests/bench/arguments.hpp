// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <string>

namespace bench {

/// `--name value` pairs. A name that is not in `known`, or one without a
/// value, ends the program with status 2.
class Arguments {
public:
    Arguments(int argc, char** argv, std::initializer_list<const char*> known) {
        for (const char* name : known) values_.emplace(name, "");
        for (int i = 1; i < argc; i += 2) {
            const std::string word = argv[i];
            const auto found = word.rfind("--", 0) == 0 ? values_.find(word.substr(2)) : values_.end();
            if (found == values_.end() || i + 1 == argc) usage(argv[0], known);
            found->second = argv[i + 1];
        }
    }

    std::string text(const char* name, const char* otherwise) const {
        const std::string& value = values_.at(name);
        return value.empty() ? otherwise : value;
    }

    long number(const char* name, long otherwise) const {
        const std::string& value = values_.at(name);
        if (value.empty()) return otherwise;
        char* end = nullptr;
        const long result = std::strtol(value.c_str(), &end, 10);
        if (*end == '\0' && result >= 0) return result;
        std::fprintf(stderr, "--%s takes a whole number, not %s\n", name, value.c_str());
        std::exit(2);
    }

private:
    [[noreturn]] static void usage(const char* program, std::initializer_list<const char*> known) {
        std::fprintf(stderr, "usage: %s", program);
        for (const char* name : known) std::fprintf(stderr, " [--%s VALUE]", name);
        std::fputc('\n', stderr);
        std::exit(2);
    }

    std::map<std::string, std::string> values_;
};

}  // namespace bench
