#ifndef GLOBAL_REGISTRY_REG_SCRIPTS_INT_H
#define GLOBAL_REGISTRY_REG_SCRIPTS_INT_H
/* The scripts of reg-redis: whatever compares before it writes. Each touches its KEYS only; those
 * on rows have one key. */

/* Decimal texts without leading zeros, all 64 bits. A row's value: incarnation, sequence, home (nil
 * = withdrawn). */
#define LUA_LESS "local function less(a, b) if #a ~= #b then return #a < #b end return a < b end\n"
#define LUA_ROW                                                                                    \
    "local function row(v)\n"                                                                      \
    "  local i, s, h = string.match(v or '', '^(%d+) (%d+)(.*)$')\n"                               \
    "  if h == '' then h = nil end\n"                                                              \
    "  return i, s, h\n"                                                                           \
    "end\n"

/* KEYS generation, members, our lease. ARGV name, incarnation, lease, life in ms, a new generation,
 * channel "moved". 0 = a younger incarnation held the name; else {generation, name, incarnation,
 * name, ...}. */
static const char lua_beat[] = LUA_LESS
    "local known = redis.call('HGET', KEYS[2], ARGV[1])\n"
    "local held = string.match(redis.call('GET', KEYS[3]) or '', '^%d+')\n"
    "if (known and less(ARGV[2], known)) or (held and less(ARGV[2], held)) then return 0 end\n"
    "redis.call('SET', KEYS[1], ARGV[5], 'NX')\n"
    "if known ~= ARGV[2] then redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) end\n"
    "redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])\n"
    "if held ~= ARGV[2] then redis.call('PUBLISH', ARGV[6], '') end\n"
    "local all = redis.call('HGETALL', KEYS[2])\n"
    "table.insert(all, 1, redis.call('GET', KEYS[1]))\n"
    "return all\n";

/* KEYS row. ARGV name, incarnation, sequence, home, channel "moved", bare JID. 0 = refused. A value
 * we cannot read is overwritten. Others are told unless they know: the same incarnation held it
 * with the same home. */
static const char lua_assert[] = LUA_LESS LUA_ROW
    "local i, s, h = row(redis.call('HGET', KEYS[1], ARGV[1]))\n"
    "if i and (less(ARGV[2], i) or (i == ARGV[2] and less(ARGV[3], s))) then return 0 end\n"
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])\n"
    "redis.call('PERSIST', KEYS[1])\n"
    "if i ~= ARGV[2] or h ~= ' ' .. ARGV[4] then redis.call('PUBLISH', ARGV[5], ARGV[6]) end\n"
    "return 1\n";

/* KEYS row. ARGV name, incarnation, sequence, channel "moved", bare JID, life of a withdrawal in
 * ms. 0 = refused. The withdrawal itself stays as a value without a home, so that an older
 * assertion on its way finds something to lose against; the key goes when it holds nothing else for
 * that long. Nothing there is no proof that others know of nothing: the registry may have been
 * wiped. */
static const char lua_withdraw[] = LUA_LESS LUA_ROW
    "local i, s, h = row(redis.call('HGET', KEYS[1], ARGV[1]))\n"
    "if i and (less(ARGV[2], i) or (i == ARGV[2] and less(ARGV[3], s))) then return 0 end\n"
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])\n"
    "if not i or h then redis.call('PUBLISH', ARGV[4], ARGV[5]) end\n"
    "for _, v in ipairs(redis.call('HVALS', KEYS[1])) do\n"
    "  local _, _, home = row(v)\n"
    "  if home then return 1 end\n"
    "end\n"
    "redis.call('PEXPIRE', KEYS[1], ARGV[6])\n"
    "return 1\n";

/* KEYS row. ARGV name, incarnation, sequence of a dead member's row: removed if it is exactly that.
 */
static const char lua_clean[] = LUA_ROW
    "local i, s = row(redis.call('HGET', KEYS[1], ARGV[1]))\n"
    "if i == ARGV[2] and s == ARGV[3] then return redis.call('HDEL', KEYS[1], ARGV[1]) end\n"
    "return 0\n";

/* KEYS our lease. ARGV incarnation, channel "moved". The name stays among the members, for fencing.
 */
static const char lua_leave[] =
    "if string.match(redis.call('GET', KEYS[1]) or '', '^%d+') ~= ARGV[1] then return 0 end\n"
    "redis.call('DEL', KEYS[1])\n"
    "redis.call('PUBLISH', ARGV[2], '')\n"
    "return 1\n";

/* KEYS members, a lease. ARGV name, incarnation: forget a member that is long gone. */
static const char lua_forget[] = "if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('HGET', "
                                 "KEYS[1], ARGV[1]) == ARGV[2] then\n"
                                 "  return redis.call('HDEL', KEYS[1], ARGV[1])\n"
                                 "end\n"
                                 "return 0\n";
#endif
