DROP TABLE "auth_message_nonces";
DROP TABLE "auth_sessions";
