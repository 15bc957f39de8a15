# Turns what `idp verify --json` prints into Markdown for a pull request. Text of modules cannot become markup.

def plain: gsub("[\\r\\n]+"; " ") | gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub("(?<c>[\\\\`*_\\[\\]|@#~])"; "\\\(.c)");

def mark: if .refused then "❌" elif .verdict == "verified" and (.not_locked | not) then "✅" else "⚠️" end;

def files:
  [ (.files.changed // [] | map("changed `" + gsub("`"; "") + "`")),
    (.files.added // [] | map("added `" + gsub("`"; "") + "`")),
    (.files.removed // [] | map("removed `" + gsub("`"; "") + "`")) ]
  | add // [] | join(", ");

def told:
  [ (.message // empty | plain),
    (select(.files != null) | files | select(. != "")),
    (.fix // empty | plain | "→ " + .) ]
  | join("<br>");

def row:
  "| \(mark) \(.verdict | gsub("_"; " ")) | \(.source // "" | plain) \(.version // "") | \(.calls | map(plain) | join(", ")) | \(told) |";

if (.findings | length) == 0 then
  "### Modules\n\nNothing is installed that needs judging."
else
  "### Modules: \(if .refused > 0 then "\(.refused) refused" else "all accepted" end)\n\n"
  + "| | Module | Called as | |\n|---|---|---|---|\n"
  + (.findings | map(row) | join("\n"))
  + (if .checkpoint then "\n\nJudged by the log of \(.registry | plain) with \(.checkpoint.size) entries, as of \(.issued_at)." else "" end)
end
