CREATE INDEX "payments_by_purpose" ON "payments" ("purpose");
DROP TABLE "payment_inputs";
