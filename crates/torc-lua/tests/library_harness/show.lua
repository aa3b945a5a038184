-- Runs the chunk in ARGV[1] in a protected call and returns what comes of it as text, so that two interpreters can be compared:
-- "true" and the results, or "false" and the error; numbers with all their digits, bytes that are no text in hexadecimal, and entries of
-- tables in the order of their keys' text. The same file runs here and, with EVAL, on a server.
local function show(value, depth)
  local kind = type(value)
  if kind == 'number' then
    if value ~= value then return 'nan' end
    return string.format('%.17g', value)
  elseif kind == 'string' then
    return '"' .. value:gsub('[%c"\\\128-\255]', function(c) return string.format('\\x%02x', c:byte()) end) .. '"'
  elseif kind == 'table' then
    if depth == 0 then return '{...}' end
    local entries = {}
    for key, entry in pairs(value) do
      entries[#entries + 1] = show(key, depth - 1) .. '=' .. show(entry, depth - 1)
    end
    table.sort(entries)
    return '{' .. table.concat(entries, ', ') .. '}'
  elseif value == cjson.null then
    return 'null'
  elseif kind == 'boolean' or kind == 'nil' then
    return tostring(value)
  end
  return kind
end

local function pack(...)
  return select('#', ...), {...}
end

local chunk, problem = loadstring(ARGV[1], '=case')
if not chunk then return 'no chunk: ' .. problem end
-- Many results are packed within the call: Lua's own pcall makes no room for its status beside them.
local ok, count, results = pcall(function() return pack(chunk()) end)
if not ok then return 'false ' .. show(count, 25) end
local shown = {'true'}
for i = 1, count do shown[i + 1] = show(results[i], 25) end
return table.concat(shown, ' ')
