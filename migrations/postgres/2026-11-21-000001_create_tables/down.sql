DROP TABLE "payment_inputs";
DROP TABLE "payments";
DROP TABLE "device_registrations";
DROP TABLE "server_fees";
DROP TABLE "message_permissions";
DROP TABLE "messages";
DROP TABLE "messageBox";
