-- What must hold for any bytes in ARGV[1], with any library: they come back or raise an error, and what has been read is written and read
-- back the same.
local input = ARGV[1]

local function same(a, b, depth)
  if type(a) ~= 'table' or type(b) ~= 'table' then return a == b or (a ~= a and b ~= b) end
  if depth == 0 then return true end
  for key, value in pairs(a) do
    -- Keys that are tables are others when they are read again.
    if type(key) ~= 'table' and not same(value, b[key], depth - 1) then return false end
  end
  return true
end

local function json(settings)
  local ok, value = pcall(settings.decode, input)
  if not ok then return end
  local written, text = pcall(settings.encode, value)
  if not written then return end
  local again = settings.decode(text)
  -- Numbers have lost digits once; not twice.
  assert(#settings.encode(again) == #text, 'JSON changes when it is written again')
end

local lenient, strict = cjson.new(), cjson.new()
lenient.encode_invalid_numbers(true)
lenient.decode_array_with_array_mt(true)
strict.decode_invalid_numbers(false)
strict.decode_max_depth(3)
json(cjson) json(lenient) json(strict)
-- As contents of a string, too.
local quoted = cjson.encode(input)
if not input:find('\\', 1, true) then
  assert(cjson.decode(quoted) == input, 'a string changes')
end

-- Results in a table: Lua's own pcall makes no room for its status beside many of them.
local function results_of(f, ...)
  local arguments = {...}
  local ok, results = pcall(function() return {f(unpack(arguments))} end)
  return ok, results
end

local ok, values = results_of(cmsgpack.unpack, input)
if ok then
  for i = 1, table.maxn(values) do
    local ok, packed = pcall(cmsgpack.pack, values[i])
    if ok then
      local again, value = pcall(cmsgpack.unpack, packed)
      -- NaN is a key that can be read and not be written; and what is deeper than 16 is nil.
      if again then assert(same(values[i], value, 15), 'MessagePack changes when it is written again') end
    end
  end
end
local offset = 0
for _ = 1, 10 do
  local ok, next_offset = pcall(cmsgpack.unpack_one, input, offset)
  if not ok or next_offset == -1 then break end
  assert(next_offset > offset, 'no progress')
  offset = next_offset
end
results_of(cmsgpack.unpack_limit, input, 30, 1)

local format, data = input:match('^(%Z*)%z?(.*)$')
local ok, results = results_of(struct.unpack, format, data)
results_of(struct.unpack, format, data, #data)
pcall(struct.size, format)
pcall(struct.pack, format, data, data, data, data)
pcall(struct.pack, format, 1, -2.5, 1e300, 0/0, 5, 6, 7, 8)
if ok then pcall(struct.pack, format, unpack(results)) end

local function number(at)
  local bytes = input:sub(at, at + 7)
  return #bytes == 8 and struct.unpack('<d', bytes) or #bytes
end
local a, b = number(1), number(9)
assert(bit.bnot(bit.bnot(a)) == bit.tobit(a))
assert(bit.bswap(bit.bswap(a)) == bit.tobit(a))
assert(bit.bxor(a, b, a) == bit.tobit(b))
assert(bit.rol(bit.ror(a, b), b) == bit.tobit(a))
assert(bit.bor(bit.lshift(a, b), 0) == bit.lshift(a, b))
assert(#bit.tohex(a, b) <= 8)
bit.arshift(a, b) bit.rshift(a, b)
