-- What newer migrations of the TypeScript server make of the tables in typescript_server.sql, and what it has written since. $TXID is
-- a transaction that it has taken as a payment.
delete `older` from `message_permissions` as `older` join `message_permissions` as `newer` on `newer`.`recipient` = `older`.`recipient` and `newer`.`message_box` = `older`.`message_box` and `newer`.`sender` <=> `older`.`sender` and `newer`.`id` > `older`.`id`;
alter table `message_permissions` add `sender_scope` varchar(255) not null default '';
update `message_permissions` set `sender_scope` = coalesce(`sender`, '');
alter table `message_permissions` drop index `message_permissions_recipient_sender_message_box_unique`;
alter table `message_permissions` add unique `message_permissions_recipient_message_box_sender_scope_unique`(`recipient`, `message_box`, `sender_scope`);
alter table `messages` add `expires_at` timestamp null;
alter table `messages` add index `messages_expiration_index`(`expires_at`, `messageId`);
create table `message_resource_locks` (`identity_key` varchar(255) not null primary key, `updated_at` timestamp not null default CURRENT_TIMESTAMP);
create table `auth_sessions` (`sessionNonce` varchar(255) not null primary key, `peerNonce` varchar(1024), `peerIdentityKey` varchar(255), `isAuthenticated` boolean not null default '0', `lastUpdate` bigint not null, `certificatesRequired` boolean null, `certificatesValidated` boolean null, `expiresAt` bigint not null);
alter table `auth_sessions` add index `auth_sessions_peeridentitykey_index`(`peerIdentityKey`);
alter table `auth_sessions` add index `auth_sessions_expiresat_index`(`expiresAt`);
create table `payment_replays` (`transaction_id` varchar(64) not null primary key, `created_at` timestamp not null default CURRENT_TIMESTAMP, `expires_at` timestamp null);
alter table `payment_replays` add index `payment_replays_expires_at_index`(`expires_at`);
create table `message_payment_intents` (`transaction_id` varchar(64) not null primary key, `request_digest` varchar(64) not null, `status` varchar(32) not null, `attempt_token` varchar(64), `created_at` timestamp not null default CURRENT_TIMESTAMP, `updated_at` timestamp not null default CURRENT_TIMESTAMP);
alter table `message_payment_intents` add index `message_payment_intents_status_updated_at_index`(`status`, `updated_at`);
create table `auth_message_nonces` (`sessionNonce` varchar(130) not null, `messageNonce` varchar(64) not null, `expiresAt` bigint not null, primary key (`sessionNonce`, `messageNonce`));
alter table `auth_message_nonces` add index `idx_auth_message_nonces_expires`(`expiresAt`);
insert into `knex_migrations` (`batch`, `migration_time`, `name`) values
    (2, '2026-10-01 10:00:00', '2026-08-04-001-resource-safety.js'),
    (2, '2026-10-01 10:00:00', '2026-09-24-001-auth-message-nonces.js');

update `messages` set `expires_at` = '2037-01-02 03:04:05' where `messageId` = 'z';
update `messages` set `expires_at` = '2020-01-02 03:04:05' where `messageId` = 'm';
insert into `message_resource_locks` (`identity_key`) values ('$BOB');
insert into `auth_sessions` (`sessionNonce`, `peerNonce`, `peerIdentityKey`, `isAuthenticated`, `lastUpdate`, `expiresAt`) values ('theirs', 'a nonce', '$ALICE', 1, 1790000000000, 4000000000000);
insert into `auth_message_nonces` (`sessionNonce`, `messageNonce`, `expiresAt`) values ('theirs', 'a nonce', 4000000000000);
insert into `payment_replays` (`transaction_id`, `expires_at`) values ('$TXID', null);
insert into `message_payment_intents` (`transaction_id`, `request_digest`, `status`, `attempt_token`) values ('$TXID', repeat('a', 64), 'completed', 'a token');
