DROP TABLE "stored_totals";
