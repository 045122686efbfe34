-- A database of the TypeScript MessageBox server, as its own migrations (knex) leave it, in use. $ALICE and $BOB are
-- identity keys.
create table `knex_migrations` (`id` int unsigned not null auto_increment primary key, `name` varchar(255), `batch` int, `migration_time` timestamp);
create table `knex_migrations_lock` (`index` int unsigned not null auto_increment primary key, `is_locked` int);
insert into `knex_migrations_lock` (`is_locked`) values (0);
insert into `knex_migrations` (`batch`, `migration_time`, `name`) values
    (1, '2025-01-31 10:00:00', '2022-12-28-001-initial-migration.js'),
    (1, '2025-01-31 10:00:00', '2023-01-17-messageid-upgrade.js'),
    (1, '2025-01-31 10:00:00', '2025-01-31-001-notification-permissions.js'),
    (1, '2025-01-31 10:00:00', '2025-01-31-002-device-registrations.js');

create table `messageBox` (`messageBoxId` int unsigned not null auto_increment primary key, `created_at` timestamp not null default CURRENT_TIMESTAMP, `updated_at` timestamp not null default CURRENT_TIMESTAMP, `type` varchar(255) not null, `identityKey` varchar(255) not null);
alter table `messageBox` add unique `messagebox_type_identitykey_unique`(`type`, `identityKey`);
create table `messages` (`created_at` timestamp not null default CURRENT_TIMESTAMP, `updated_at` timestamp not null default CURRENT_TIMESTAMP, `messageBoxId` int unsigned, `sender` varchar(255) not null, `recipient` varchar(255) not null, `body` longtext not null, `messageId` varchar(255) not null);
alter table `messages` add constraint `messages_messageboxid_foreign` foreign key (`messageBoxId`) references `messageBox` (`messageBoxId`) on delete CASCADE;
alter table `messages` add unique `messages_messageid_unique`(`messageId`);
create table `message_permissions` (`id` int unsigned not null auto_increment primary key, `created_at` timestamp default CURRENT_TIMESTAMP, `updated_at` timestamp default CURRENT_TIMESTAMP, `recipient` varchar(255) not null, `sender` varchar(255) null, `message_box` varchar(255) not null, `recipient_fee` int not null);
alter table `message_permissions` add unique `message_permissions_recipient_sender_message_box_unique`(`recipient`, `sender`, `message_box`);
alter table `message_permissions` add index `message_permissions_recipient_index`(`recipient`);
alter table `message_permissions` add index `message_permissions_recipient_message_box_index`(`recipient`, `message_box`);
alter table `message_permissions` add index `message_permissions_message_box_index`(`message_box`);
alter table `message_permissions` add index `message_permissions_sender_index`(`sender`);
create table `server_fees` (`id` int unsigned not null auto_increment primary key, `created_at` timestamp default CURRENT_TIMESTAMP, `updated_at` timestamp default CURRENT_TIMESTAMP, `message_box` varchar(255) not null, `delivery_fee` int not null);
alter table `server_fees` add unique `server_fees_message_box_unique`(`message_box`);
create table `device_registrations` (`id` int unsigned not null auto_increment primary key, `created_at` timestamp default CURRENT_TIMESTAMP, `updated_at` timestamp default CURRENT_TIMESTAMP, `identity_key` varchar(255) not null, `fcm_token` varchar(500) not null, `device_id` varchar(255) null, `platform` varchar(50) null, `last_used` timestamp null, `active` boolean default '1');
alter table `device_registrations` add unique `device_registrations_fcm_token_unique`(`fcm_token`);
alter table `device_registrations` add index `device_registrations_identity_key_index`(`identity_key`);
alter table `device_registrations` add index `device_registrations_identity_key_active_index`(`identity_key`, `active`);
alter table `device_registrations` add index `device_registrations_last_used_index`(`last_used`);

-- Its operator has changed one fee and taken another away.
insert into `server_fees` (`message_box`, `delivery_fee`) values ('notifications', 25), ('inbox', 0);
insert into `messageBox` (`messageBoxId`, `type`, `identityKey`) values (7, 'inbox', '$BOB'), (9, 'notifications', '$BOB');
-- Not in the order of their ids; the table itself is.
insert into `messages` (`messageBoxId`, `sender`, `recipient`, `messageId`, `body`, `created_at`, `updated_at`) values
    (7, '$ALICE', '$BOB', 'z', '{"message":"first"}', '2026-01-01 10:00:00', '2026-01-01 10:00:00'),
    (7, '$ALICE', '$BOB', 'm', '{"message":{"n":2}}', '2026-01-02 10:00:00', '2026-01-02 10:00:00'),
    (7, '$ALICE', '$BOB', 'a', '{"message":"third"}', '2026-01-03 10:00:00', '2026-01-03 10:00:00');
-- What was said of everybody is there twice; the later one is meant.
insert into `message_permissions` (`recipient`, `sender`, `message_box`, `recipient_fee`) values
    ('$BOB', null, 'inbox', 0), ('$BOB', '$ALICE', 'letters', 3), ('$BOB', null, 'inbox', 5);
insert into `device_registrations` (`identity_key`, `fcm_token`, `platform`) values ('$BOB', 'token', 'ios');
