# SPDX-License-Identifier: MIT
# Writes OUTPUT, a header with the files of the page in FOLDER.
set(text "// Made from page/ by embed_page.cmake.\n#pragma once\n\n#include \"live_comment/http_routes.hpp\"\n\n")
string(APPEND text "namespace live_comment {\n\ninline constexpr Asset page_assets[] = {\n")
foreach(entry IN ITEMS "/|index.html|text/html" "/app.js|app.js|text/javascript"
        "/client.js|client.js|text/javascript" "/list.js|list.js|text/javascript" "/stage.js|stage.js|text/javascript" "/style.css|style.css|text/css" "/icon.svg|icon.svg|image/svg+xml")
    string(REPLACE "|" ";" entry "${entry}")
    list(GET entry 0 path)
    list(GET entry 1 file)
    list(GET entry 2 type)
    file(READ "${FOLDER}/${file}" body)
    string(APPEND text "    {\"${path}\", \"${type}; charset=utf-8\",\n     R\"~page~(${body})~page~\"},\n")
endforeach()
string(APPEND text "};\n\n}  // namespace live_comment\n")
file(WRITE "${OUTPUT}" "${text}")
