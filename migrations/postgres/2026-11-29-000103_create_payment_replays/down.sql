DROP TABLE "payment_replays";
