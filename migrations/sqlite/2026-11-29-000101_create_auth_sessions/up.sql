-- Sessions of HTTP clients, found by every process with the server's key. Times are milliseconds since 1970.
CREATE TABLE IF NOT EXISTS "auth_sessions" (
    -- The server's nonce, which names the session.
    "sessionNonce" TEXT NOT NULL PRIMARY KEY,
    "peerNonce" TEXT NOT NULL,
    "peerIdentityKey" TEXT NOT NULL,
    -- Whether a request has verified. Until then the session has five minutes.
    "isAuthenticated" BOOLEAN NOT NULL DEFAULT FALSE,
    "lastUpdate" BIGINT NOT NULL,
    "certificatesRequired" BOOLEAN,
    "certificatesValidated" BOOLEAN,
    "expiresAt" BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS "auth_sessions_by_expiry" ON "auth_sessions" ("expiresAt");

-- Requests that wrote something: each counts once in its session.
CREATE TABLE IF NOT EXISTS "auth_message_nonces" (
    "sessionNonce" TEXT NOT NULL,
    "messageNonce" TEXT NOT NULL,
    "expiresAt" BIGINT NOT NULL,
    PRIMARY KEY ("sessionNonce", "messageNonce")
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS "idx_auth_message_nonces_expires" ON "auth_message_nonces" ("expiresAt");
