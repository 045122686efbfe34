-- Counts a request of a session.
-- KEYS[1]: the session. ARGV: the request's nonce, the session's life in ms, how many requests it may have, and the client's
-- nonce and key if the session is not stored yet, else two empty texts.
-- Answers -1: the session has ended; 0: the request was served before; 1: it counts.
if redis.call('HEXISTS', KEYS[1], 'k') == 0 then
    if ARGV[5] == '' then
        return -1
    end
    redis.call('HSET', KEYS[1], 'p', ARGV[4], 'k', ARGV[5])
end
if redis.call('HSETNX', KEYS[1], ARGV[1], 1) == 0 then
    return 0
end
if redis.call('HLEN', KEYS[1]) - 2 >= tonumber(ARGV[3]) then
    redis.call('DEL', KEYS[1])
else
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
