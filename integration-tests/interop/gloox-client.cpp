/* An XMPP client on gloox, driven by lines: commands on standard input, what happens on standard
 * output, as `lines.py` has them. `gloox.py` builds and runs it; it is no part of Meridian.
 *   gloox-client JID PASSWORD IP PORT */
#include <cstdlib>
#include <iostream>
#include <poll.h>
#include <sstream>
#include <string>
#include <unistd.h>

#include <gloox/client.h>
#include <gloox/connectionlistener.h>
#include <gloox/connectiontcpclient.h>
#include <gloox/message.h>
#include <gloox/messagehandler.h>
#include <gloox/presence.h>
#include <gloox/rosteritem.h>
#include <gloox/rosterlistener.h>
#include <gloox/rostermanager.h>

using namespace gloox;

/* In the order of Presence::PresenceType. */
static const char *const PRESENCES[] = {"available", "chat", "away", "dnd", "xa", "unavailable", "probe", "error", "invalid"};

static void say(const std::string &line)
{
    std::cout << line << std::endl;
}

class User : public ConnectionListener, public MessageHandler, public RosterListener {
public:
    User(const JID &jid, const std::string &password, const std::string &ip, int port)
        : client(jid, password, port)
    {
        /* not setServer: the certificate would have to name the address */
        client.setConnectionImpl(new ConnectionTCPClient(&client, client.logInstance(), ip, port));
        client.setTls(TLSRequired);
        client.registerConnectionListener(this);
        client.registerMessageHandler(this);
        client.rosterManager()->registerRosterListener(this, false); /* false: we decide who may see us */
    }

    int run()
    {
        if (!client.connect(false))
            return 1;
        std::string input;
        while (!is_over && client.recv(20000) == ConnNoError)
            if (is_up && !take(input))
                client.disconnect();
        return 0;
    }

    void onConnect() override
    {
        is_up = true;
        say("up " + client.jid().full());
    }
    void onDisconnect(ConnectionError e) override
    {
        is_over = true;
        say("down " + std::to_string(e) + " " + std::to_string(client.authError()));
    }
    bool onTLSConnect(const CertInfo &info) override
    {
        say("tls " + std::to_string(info.status) + " " + info.protocol);
        return info.status == CertOk;
    }
    void handleMessage(const Message &m, MessageSession *) override
    {
        if (!m.body().empty())
            say("message " + m.from().bare() + " " + m.body());
    }
    void handleRoster(const Roster &roster) override { say("roster " + std::to_string(roster.size())); }
    void handleRosterPresence(const RosterItem &item, const std::string &, Presence::PresenceType type, const std::string &text) override
    {
        say("presence " + item.jidJID().bare() + " " + PRESENCES[type] + " " + text);
    }
    void handleItemUpdated(const JID &jid) override
    {
        const RosterItem *item = client.rosterManager()->getRosterItem(jid);
        say("item " + jid.bare() + (item && item->subscription() == S10nBoth ? " both" : " other"));
    }
    bool handleSubscriptionRequest(const JID &jid, const std::string &) override
    {
        say("asked " + jid.bare());
        return false; /* the answer is a command */
    }
    void handleItemAdded(const JID &) override {}
    void handleItemSubscribed(const JID &jid) override { say("subscribed " + jid.bare()); }
    void handleItemRemoved(const JID &) override {}
    void handleItemUnsubscribed(const JID &) override {}
    void handleSelfPresence(const RosterItem &, const std::string &, Presence::PresenceType, const std::string &) override {}
    bool handleUnsubscriptionRequest(const JID &, const std::string &) override { return false; }
    void handleNonrosterPresence(const Presence &) override {}
    void handleRosterError(const IQ &) override { say("roster-error"); }

private:
    Client client;
    bool is_up = false, is_over = false;

    /* Do the commands that have come. False: no more will. */
    bool take(std::string &input)
    {
        struct pollfd p = {STDIN_FILENO, POLLIN, 0};
        char some[4096];
        while (poll(&p, 1, 0) > 0) {
            ssize_t n = read(STDIN_FILENO, some, sizeof some);
            if (n <= 0)
                return false;
            input.append(some, static_cast<size_t>(n));
        }
        for (size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1))
            if (!command(input.substr(0, end)))
                return false;
        return true;
    }

    bool command(const std::string &line)
    {
        std::istringstream in(line);
        std::string word, to, text;
        in >> word >> to;
        std::getline(in >> std::ws, text);
        if (word == "add")
            client.rosterManager()->subscribe(JID(to), "", StringList(1, "friends"), "let me see you");
        else if (word == "allow")
            client.rosterManager()->ackSubscriptionRequest(JID(to), true);
        else if (word == "show")
            client.setPresence(to == "away" ? Presence::Away : to == "dnd" ? Presence::DND : Presence::Available, 1, text);
        else if (word == "say")
            client.send(Message(Message::Chat, JID(to), text));
        else
            return false;
        return true;
    }
};

int main(int argc, char **argv)
{
    if (argc != 5) {
        std::cerr << "usage: gloox-client JID PASSWORD IP PORT" << std::endl;
        return 2;
    }
    User user(JID(argv[1]), argv[2], argv[3], std::atoi(argv[4]));
    return user.run();
}
