// Durable acks and fan-out over RTM, as one would write it by hand with gorilla/websocket and mattn/go-sqlite3.
// Environment: SEED, a JSON file of users and channels; DATA, the directory for the database.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	_ "github.com/mattn/go-sqlite3"
)

const (
	maxBatch      = 256
	writeDeadline = 5 * time.Second
	ticketLife    = 30 * time.Second
)

type account struct {
	ID    string `json:"id"`
	Token string `json:"token"`
	name  string
}

type client struct {
	conn *websocket.Conn
	user string
	out  []byte // touched by the committer alone
}

type command struct {
	ID      int64  `json:"id"`
	Type    string `json:"type"`
	Channel string `json:"channel"`
	Text    string `json:"text"`
}

type body struct {
	Type string `json:"type"`
	User string `json:"user"`
	Text string `json:"text"`
	TS   string `json:"ts"`
	Team string `json:"team"`
}

type event struct {
	body
	Channel string `json:"channel"`
	EventTS string `json:"event_ts"`
}

type ack struct {
	OK      bool   `json:"ok"`
	ReplyTo int64  `json:"reply_to"`
	TS      string `json:"ts"`
	Text    string `json:"text"`
}

type post struct {
	from *client
	command
}

type server struct {
	accounts map[[32]byte]*account
	members  map[string]map[string]bool // channel -> users
	channels map[string][]string        // user -> channels
	secret   []byte

	tickets struct {
		sync.Mutex
		used map[string]bool
	}
	live struct {
		sync.RWMutex
		sockets map[string]map[*client]bool // by channel
	}
	posts chan post
	db    *sql.DB
}

func main() {
	s := &server{
		accounts: map[[32]byte]*account{},
		members:  map[string]map[string]bool{},
		channels: map[string][]string{},
		secret:   random(32),
		posts:    make(chan post, 4096),
	}
	s.tickets.used = map[string]bool{}
	s.live.sockets = map[string]map[*client]bool{}
	users, channels := s.plant()
	s.open()
	go s.commitAll()
	http.HandleFunc("/api/rtm.connect", s.connect)
	http.HandleFunc("/rtm/", s.dial)
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	line := must(json.Marshal(map[string]any{
		"api_url": fmt.Sprintf("http://%s/api/", listener.Addr()), "users": users, "channels": channels,
	}))
	fmt.Println(string(line))
	log.Fatal(http.Serve(listener, nil))
}

func (s *server) plant() (map[string]*account, map[string]string) {
	var seed struct {
		Users    []struct{ Name string }
		Channels []struct {
			Name    string
			Members []string
		}
	}
	check(json.Unmarshal(must(os.ReadFile(os.Getenv("SEED"))), &seed))
	users, channels := map[string]*account{}, map[string]string{}
	for number, each := range seed.Users {
		who := &account{fmt.Sprintf("U%08d", number), "xoxb-" + hex.EncodeToString(random(24)), each.Name}
		users[each.Name] = who
		s.accounts[sha256.Sum256([]byte(who.Token))] = who
	}
	for number, each := range seed.Channels {
		id := fmt.Sprintf("C%08d", number)
		channels[each.Name] = id
		s.members[id] = map[string]bool{}
		for _, name := range each.Members {
			user := users[name].ID
			s.members[id][user] = true
			s.channels[user] = append(s.channels[user], id)
		}
	}
	return users, channels
}

func (s *server) open() {
	s.db = must(sql.Open("sqlite3", os.Getenv("DATA")+"/peer.db?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"))
	s.db.SetMaxOpenConns(1)
	_, err := s.db.Exec(`
		CREATE TABLE message (channel TEXT, ts TEXT, author TEXT, body BLOB, PRIMARY KEY (channel, ts)) WITHOUT ROWID;
		CREATE TABLE log (position INTEGER PRIMARY KEY, topic TEXT, payload BLOB);
		CREATE TABLE workspace (head INTEGER);
		INSERT INTO workspace VALUES (0);`)
	check(err)
}

func (s *server) sign(note string) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(note))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *server) issue(user string) string {
	expires := time.Now().Add(ticketLife).UnixMilli()
	note := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%s.%d.%x", user, expires, random(12))))
	return note + "." + s.sign(note)
}

func (s *server) redeem(ticket string) (string, bool) {
	note, mac, _ := strings.Cut(ticket, ".")
	if !hmac.Equal([]byte(mac), []byte(s.sign(note))) {
		return "", false
	}
	plain, err := base64.RawURLEncoding.DecodeString(note)
	if err != nil {
		return "", false
	}
	parts := strings.Split(string(plain), ".")
	expires, _ := strconv.ParseInt(parts[1], 10, 64)
	s.tickets.Lock()
	defer s.tickets.Unlock()
	if expires < time.Now().UnixMilli() || s.tickets.used[ticket] {
		return "", false
	}
	s.tickets.used[ticket] = true
	return parts[0], true
}

func (s *server) connect(w http.ResponseWriter, r *http.Request) {
	who := s.accounts[sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))]
	answer := map[string]any{"ok": false, "error": "invalid_auth"}
	if who != nil {
		answer = map[string]any{
			"ok": true, "url": "ws://" + r.Host + "/rtm/" + s.issue(who.ID),
			"self": map[string]string{"id": who.ID, "name": who.name},
			"team": map[string]string{"id": "T00000001", "name": "Bench", "domain": "bench"},
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	check(json.NewEncoder(w).Encode(answer))
}

var upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}}

func (s *server) dial(w http.ResponseWriter, r *http.Request) {
	user, ok := s.redeem(strings.TrimPrefix(r.URL.Path, "/rtm/"))
	if !ok {
		http.Error(w, "bad ticket", http.StatusForbidden)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &client{conn: conn, user: user}
	if conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"hello"}`)) != nil {
		return
	}
	s.attach(c)
	defer s.detach(c)
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var sent command
		if json.Unmarshal(data, &sent) != nil || sent.Type != "message" {
			continue
		}
		if !s.members[sent.Channel][user] {
			return // the loads of the benchmarks post to their own channels only
		}
		s.posts <- post{c, sent}
	}
}

func (s *server) attach(c *client) {
	s.live.Lock()
	defer s.live.Unlock()
	for _, channel := range s.channels[c.user] {
		if s.live.sockets[channel] == nil {
			s.live.sockets[channel] = map[*client]bool{}
		}
		s.live.sockets[channel][c] = true
	}
}

func (s *server) detach(c *client) {
	s.live.Lock()
	for _, channel := range s.channels[c.user] {
		delete(s.live.sockets[channel], c)
	}
	s.live.Unlock()
	c.conn.Close()
}

// commitAll takes what waits together, commits it together, and then delivers it.
func (s *server) commitAll() {
	insertMessage := must(s.db.Prepare("INSERT INTO message VALUES (?, ?, ?, ?)"))
	insertEntry := must(s.db.Prepare("INSERT INTO log VALUES (?, ?, ?)"))
	setHead := must(s.db.Prepare("UPDATE workspace SET head = ?"))
	var head, last int64
	for first := range s.posts {
		batch := []post{first}
	more:
		for len(batch) < maxBatch {
			select {
			case next := <-s.posts:
				batch = append(batch, next)
			default:
				break more
			}
		}
		tx := must(s.db.Begin())
		message, entry := tx.Stmt(insertMessage), tx.Stmt(insertEntry)
		events, stamps := make([][]byte, len(batch)), make([]string, len(batch))
		for at, each := range batch {
			last = max(time.Now().UnixMicro(), last+1)
			ts := fmt.Sprintf("%010d.%06d", last/1e6, last%1e6)
			stored := body{"message", each.from.user, each.Text, ts, "T00000001"}
			events[at], stamps[at] = must(json.Marshal(event{stored, each.Channel, ts})), ts
			head++
			must(message.Exec(each.Channel, ts, each.from.user, must(json.Marshal(stored))))
			must(entry.Exec(head, each.Channel, events[at]))
		}
		must(tx.Stmt(setHead).Exec(head))
		check(tx.Commit())
		s.deliver(batch, events, stamps)
	}
}

func (s *server) deliver(batch []post, events [][]byte, stamps []string) {
	dirty := map[*client]bool{}
	s.live.RLock()
	for at, each := range batch {
		frame := textFrame(events[at])
		for c := range s.live.sockets[each.Channel] {
			if c != each.from {
				c.out = append(c.out, frame...)
				dirty[c] = true
			}
		}
		each.from.out = append(each.from.out, textFrame(must(json.Marshal(ack{true, each.ID, stamps[at], each.Text})))...)
		dirty[each.from] = true
	}
	s.live.RUnlock()
	for c := range dirty {
		raw := c.conn.NetConn()
		raw.SetWriteDeadline(time.Now().Add(writeDeadline))
		if _, err := raw.Write(c.out); err != nil {
			raw.Close()
		}
		c.out = c.out[:0]
	}
}

func textFrame(payload []byte) []byte {
	if len(payload) < 126 {
		return append([]byte{0x81, byte(len(payload))}, payload...)
	}
	return append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(payload))), payload...)
}

func random(size int) []byte {
	data := make([]byte, size)
	must(rand.Read(data))
	return data
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
