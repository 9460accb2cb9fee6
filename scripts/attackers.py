#!/usr/bin/env python3
"""Clients of scripts/attack and scripts/soak, on loopback addresses only.

attackers.py attack PORT COUNT {echo,http}
    A third of COUNT clients is silent, a third sends a byte a second and reads nothing, a third resets its
    connection now and then and comes back. Whoever is thrown out comes back, too. Writes "ready" when all have
    connected once, and ends with standard input.
attackers.py good PORT COUNT RATE SECONDS
    COUNT clients of HTTP with a connection each ask for / at RATE requests a second together, at times that
    are fixed beforehand. Writes one line of JSON: percentiles from the intended time on, and failures.
attackers.py mixed PORT {panics,none}
    Of a server of echoes, until standard input ends: connections of one message each, 20 a second; a message of
    a MiB each second; five a second that ask soak-server to sleep; two a second that ask it to panic, and must
    lose their connection; and ten connections that send all they can and read 2 KiB a second. Then writes one
    line of JSON: how many of each there were, and what failed.
"""
import heapq, json, random, select, socket, struct, sys, threading, time

RESET = struct.pack("ii", 1, 0)
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 4000


def connect(port, source):
    one = socket.socket()
    one.setblocking(False)
    one.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: the port is picked by the connect
    one.bind((source, 0))
    one.connect_ex(("127.0.0.1", port))
    return one


def attack(port, count, kind):
    random.seed(1)
    poll = select.epoll()
    poll.register(0, select.EPOLLIN | select.EPOLLHUP)
    clients, connected, thrown_out = {}, set(), 0
    # When each acts next: opening is spread over five seconds.
    due = [(time.monotonic() + number * 5.0 / count, number) for number in range(count)]
    heapq.heapify(due)
    by_socket, sent, ready = {}, [0] * count, False

    def close(number, reset):
        one = clients.pop(number, None)
        if one is None:
            return
        if reset:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        by_socket.pop(one.fileno(), None)
        one.close()
        sent[number] = 0

    def act(number):
        role = number % 3
        if number not in clients:
            one = connect(port, f"127.9.{number % 16}.{1 + number % 200}")
            clients[number] = one
            by_socket[one.fileno()] = number
            poll.register(one, select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLONESHOT)
            return 1 + 8 * random.random() if role == 2 else 1
        if role == 0:
            return 3600
        try:
            if role == 1:
                clients[number].send(HEAD[sent[number] % len(HEAD):][:1] if kind == "http" else b"x")
                sent[number] += 1
                return 1
            clients[number].send(b"half of a message")
        except OSError:
            pass
        close(number, role == 2)
        return 0.2

    while True:
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, number = heapq.heappop(due)
            heapq.heappush(due, (now + act(number), number))
        for descriptor, events in poll.poll(max(0.001, min(0.2, due[0][0] - now))):
            if descriptor == 0:
                sys.stdin.read()
                print(json.dumps({"thrown_out": thrown_out}), flush=True)
                return
            number = by_socket.get(descriptor)
            if number is None:
                continue
            if events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                thrown_out += 1
                close(number, False)
                heapq.heappush(due, (time.monotonic() + 1, number)) if number % 3 == 0 else None
                continue
            connected.add(number)
            poll.modify(descriptor, select.EPOLLRDHUP)
            if not ready and len(connected) == count:
                ready = True
                print("ready", flush=True)


def good(port, count, rate, seconds):
    poll = select.epoll()
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    clients, failures = [], 0
    for number in range(count):
        one = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=("127.0.0.1", 0))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        poll.register(one, select.EPOLLIN | select.EPOLLRDHUP)
        clients.append(one)
    by_socket = {one.fileno(): number for number, one in enumerate(clients)}
    waiting, latencies, turn = {}, [], 0
    begin = time.monotonic() + 0.2
    end = begin + seconds
    while True:
        now = time.monotonic()
        while turn < rate * seconds and begin + turn / rate <= now:
            number = turn % count
            if number in waiting:
                if now - waiting[number] < 10:
                    break  # the one before is late, and this one waits for it
                failures += 1
                waiting.pop(number)
            waiting[number] = begin + turn / rate
            try:
                clients[number].send(request)
            except OSError:
                failures += 1
                waiting.pop(number)
            turn += 1
        if (turn >= rate * seconds and not waiting) or now > end + 10:
            break
        for descriptor, _ in poll.poll(0.0005):
            number = by_socket[descriptor]
            try:
                data = clients[number].recv(65536)
            except OSError:
                data = b""
            if not data.startswith(b"HTTP/1.1 200") and number in waiting:
                failures += 1
            if not data:
                poll.unregister(descriptor)
            intended = waiting.pop(number, None)
            if intended is not None:
                latencies.append(time.monotonic() - intended)
    failures += len(waiting)
    latencies.sort()
    at = lambda part: round(latencies[min(len(latencies) - 1, int(len(latencies) * part))] * 1e6)
    print(json.dumps({"count": len(latencies), "failures": failures, "p50_us": at(0.5), "p99_us": at(0.99)}))


def exchange(port, message):
    """The echo of `message` on a connection of its own, as far as it came."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
        sender = threading.Thread(target=one.sendall, args=(message,), daemon=True)
        (sender.start if len(message) > 65536 else sender.run)()
        echo = bytearray()
        while len(echo) < len(message):
            data = one.recv(65536)
            if not data:
                break
            echo += data
        return bytes(echo)


def mixed(port, panics):
    counts = {"churn": 0, "large": 0, "sleep": 0, "panic": 0, "slow": 0, "failed": 0}
    first_failure, end, lock = [], threading.Event(), threading.Lock()
    pad = b"m" * 56

    def failed(kind, why):
        with lock:
            counts["failed"] += 1
            first_failure[:] = first_failure or [f"{kind}: {why}"]

    def repeat(kind, message, each_second):
        due = time.monotonic()
        while not end.is_set():
            due = max(due + 1 / each_second, time.monotonic() - 1)
            end.wait(max(0, due - time.monotonic()))
            try:
                echo = exchange(port, message)
            except OSError as error:
                # The connection of a handler that panics is reset, or just ends.
                echo = b"" if kind == "panic" and isinstance(error, ConnectionError) else error
            if echo != (b"" if kind == "panic" else message):
                failed(kind, echo if isinstance(echo, OSError) else "another echo")
            counts[kind] += 1

    def slow_readers():
        ones = []
        while not end.is_set():
            try:
                while len(ones) < 10:
                    ones.append(connect(port, "127.9.0.1"))
                    counts["slow"] += 1
                end.wait(0.5)
                for one in list(ones):
                    for act in (lambda: one.send(b"s" * 16384), lambda: one.recv(1024)):
                        try:
                            act()
                        except (BlockingIOError, InterruptedError):
                            pass
            except OSError as error:
                failed("slow", error)
                ones = [it for it in ones if it is not one]

    threads = [threading.Thread(target=slow_readers)]
    kinds = [("churn", b"c" * 64, 20), ("large", bytes(1 << 20), 1), ("sleep", b"SLEEP!!!" + pad, 5)]
    kinds += [("panic", b"PANIC!!!" + pad, 2)] if panics else []
    threads += [threading.Thread(target=repeat, args=kind) for kind in kinds]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    end.set()
    for thread in threads:
        thread.join()
    print(json.dumps(counts | {"first_failure": first_failure[0] if first_failure else None}))


if sys.argv[1] == "attack":
    attack(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
elif sys.argv[1] == "mixed":
    mixed(int(sys.argv[2]), sys.argv[3] == "panics")
else:
    good(*map(int, sys.argv[2:6]))
