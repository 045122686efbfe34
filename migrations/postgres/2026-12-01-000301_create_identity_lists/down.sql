DROP TABLE "identity_lists";
