// Command tool is what the containers of tests run: its arguments are things to do, one after the other.
//
//	say TEXT           print a line
//	err TEXT           print a line on standard error
//	env NAME           print a variable
//	hostname           print what this machine calls itself
//	cat FILE           print a file
//	ls DIR             print the names in a directory
//	write FILE TEXT    write a file
//	stat FILE          print mode, user and group
//	swap FILE FILE     exchange two names, over and over, for ever
//	id                 print user, group and further groups
//	serve ADDRESS      answer HTTP until SIGTERM: / says who we are, /env/NAME, /file/PATH, /exit/CODE ends the program;
//	                   /fail makes /healthz fail, and gRPC's health protocol, which is answered on the same port for the
//	                   services "" and "tool"
//	grpc-health-checking  the same on port 5000, as upstream's agnhost calls it
//	get URL            print what HTTP answers, tried again for a while
//	dial ADDRESS       connect over TCP, once
//	lookup NAME        print a name's addresses
//	eat MEBIBYTES      use so much memory
//	burn               use all the cpu time there is, for ever
//	sleep DURATION     do nothing for a while
//	wait               wait for SIGTERM, say so and go on
//	stubborn           ignore SIGTERM from here on
//	signals            print each signal that comes, for ever
//	exit CODE          end
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	args := os.Args[1:]
	next := func() string {
		if len(args) == 0 {
			fail("an argument is missing")
		}
		first := args[0]
		args = args[1:]
		return first
	}
	for len(args) > 0 {
		switch word := next(); word {
		case "say":
			fmt.Println(next())
		case "err":
			fmt.Fprintln(os.Stderr, next())
		case "env":
			fmt.Println(os.Getenv(next()))
		case "hostname":
			name, err := os.Hostname()
			check(err)
			fmt.Println(name)
		case "ls":
			entries, err := os.ReadDir(next())
			check(err)
			for _, entry := range entries {
				fmt.Println(entry.Name())
			}
		case "cat":
			data, err := os.ReadFile(next())
			check(err)
			os.Stdout.Write(data)
		case "write":
			name := next()
			check(os.WriteFile(name, []byte(next()), 0o644))
		case "stat":
			info, err := os.Stat(next())
			check(err)
			s := info.Sys().(*syscall.Stat_t)
			fmt.Println(info.Mode(), s.Uid, s.Gid)
		case "swap":
			swap(next(), next())
		case "id":
			groups, err := os.Getgroups()
			check(err)
			fmt.Println(os.Getuid(), os.Getgid(), groups)
		case "serve":
			serve(next(), terminated)
		case "grpc-health-checking":
			serve(":5000", terminated)
		case "get":
			get(next())
		case "dial":
			conn, err := net.DialTimeout("tcp", next(), 5*time.Second)
			check(err)
			fmt.Println("connected", conn.RemoteAddr())
			conn.Close()
		case "lookup":
			addresses, err := net.DefaultResolver.LookupHost(context.Background(), next())
			check(err)
			fmt.Println(strings.Join(addresses, " "))
		case "eat":
			eat(next())
		case "burn":
			for n := 1; ; n *= 3 {
				_ = n
			}
		case "sleep":
			d, err := time.ParseDuration(next())
			check(err)
			time.Sleep(d)
		case "wait":
			<-terminated
			fmt.Println("terminated")
		case "stubborn":
			signal.Ignore(syscall.SIGTERM)
		case "signals":
			all := make(chan os.Signal, 8)
			signal.Notify(all, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
			for s := range all {
				fmt.Println("signal:", s)
			}
		case "exit":
			code, err := strconv.Atoi(next())
			check(err)
			os.Exit(code)
		default:
			fail("no such thing to do: " + word)
		}
	}
}

func serve(address string, terminated <-chan os.Signal) {
	var sick atomic.Bool
	host, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s says hello\n", host) })
	http.HandleFunc("/env/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, os.Getenv(strings.TrimPrefix(r.URL.Path, "/env/")))
	})
	http.HandleFunc("/file/", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, strings.TrimPrefix(r.URL.Path, "/file"))
	})
	http.HandleFunc("/fail", func(w http.ResponseWriter, r *http.Request) { sick.Store(true) })
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		if sick.Load() {
			http.Error(w, "sick", http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/exit/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.PathValue("code"))
		check(err)
		os.Exit(code)
	})
	http.HandleFunc("POST /grpc.health.v1.Health/Check", func(w http.ResponseWriter, r *http.Request) {
		grpcHealth(w, r, !sick.Load())
	})
	server := &http.Server{Addr: address, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // gRPC without TLS
	go func() {
		<-terminated
		server.Shutdown(context.Background())
	}()
	fmt.Println("serving", address)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		check(err)
	}
	fmt.Println("terminated")
}

// grpcHealth answers one call of gRPC's health protocol: a message is a byte 0, its length in four bytes, and a protobuf;
// the question's field 1 is the service's name, and the answer's field 1 is 1 for SERVING and 2 for NOT_SERVING.
func grpcHealth(w http.ResponseWriter, r *http.Request, serving bool) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	question, err := io.ReadAll(io.LimitReader(r.Body, 1024))
	check(err)
	service := ""
	if len(question) > 7 {
		service = string(question[7:]) // behind the message's five bytes, the field's number and its length
	}
	if service != "" && service != "tool" {
		w.Header().Set("Grpc-Status", "5") // NOT_FOUND
		w.Header().Set("Grpc-Message", "unknown service")
		return
	}
	state := byte(2)
	if serving {
		state = 1
	}
	w.Write([]byte{0, 0, 0, 0, 2, 1 << 3, state})
	w.Header().Set("Grpc-Status", "0")
}

func get(url string) {
	var last error
	for range 100 {
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Get(url)
		if err == nil {
			io.Copy(os.Stdout, answer.Body)
			answer.Body.Close()
			return
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	check(last)
}

// swap has no pause: who opens one of the names finds the one or the other.
func swap(a, b string) {
	number := uintptr(316) // renameat2 of amd64
	if runtime.GOARCH == "arm64" {
		number = 276
	}
	first, err := syscall.BytePtrFromString(a)
	check(err)
	second, err := syscall.BytePtrFromString(b)
	check(err)
	here, exchange := -100, uintptr(2) // AT_FDCWD, RENAME_EXCHANGE
	for {
		_, _, errno := syscall.Syscall6(number, uintptr(here), uintptr(unsafe.Pointer(first)), uintptr(here),
			uintptr(unsafe.Pointer(second)), exchange, 0)
		if errno != 0 {
			fail(errno.Error())
		}
	}
}

func eat(amount string) {
	mebibytes, err := strconv.Atoi(amount)
	check(err)
	var kept [][]byte
	for range mebibytes {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = 1
		}
		kept = append(kept, piece)
	}
	fmt.Println("ate", len(kept))
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
