// SPDX-License-Identifier: Apache-2.0
// A thread pool, a server and its clients by NIO, a mapped file, and garbage to collect.
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.zip.CRC32;

public class Work {
    static int crc(int seed) {
        // Garbage, some of which lives for a while.
        List<byte[]> kept = new ArrayList<>();
        CRC32 crc = new CRC32();
        for (int i = 0; i < 300; i++) {
            byte[] block = new byte[8000 + i];
            block[i] = (byte) (seed + i);
            if (i % 10 == 0) kept.add(block);
            crc.update(block);
        }
        for (byte[] block : kept) crc.update(block);
        return (int) crc.getValue();
    }

    // Sends back what it gets, in capital letters.
    static void serve(ServerSocketChannel server) throws Exception {
        Selector selector = Selector.open();
        server.configureBlocking(false);
        server.register(selector, SelectionKey.OP_ACCEPT);
        ByteBuffer buffer = ByteBuffer.allocate(4096);
        while (true) {
            selector.select();
            for (SelectionKey key : selector.selectedKeys()) {
                if (key.isAcceptable()) {
                    SocketChannel peer = server.accept();
                    peer.configureBlocking(false);
                    peer.register(selector, SelectionKey.OP_READ);
                } else {
                    SocketChannel peer = (SocketChannel) key.channel();
                    buffer.clear();
                    if (peer.read(buffer) < 0) {
                        peer.close();
                        continue;
                    }
                    buffer.flip();
                    peer.write(ByteBuffer.wrap(new String(buffer.array(), 0, buffer.limit()).toUpperCase().getBytes()));
                }
            }
            selector.selectedKeys().clear();
        }
    }

    public static void main(String[] args) throws Exception {
        ServerSocketChannel server = ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        Thread serving = new Thread(() -> {
            try {
                serve(server);
            } catch (Exception e) {
                e.printStackTrace();
            }
        });
        serving.setDaemon(true);
        serving.start();
        SocketChannel client = SocketChannel.open(server.getLocalAddress());
        FileChannel file = FileChannel.open(Path.of("mapped"), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        MappedByteBuffer mapped = file.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        for (int step = 0; step < 40; step++) {
            List<Future<Integer>> results = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                int seed = 16 * step + i;
                results.add(pool.submit(() -> crc(seed)));
            }
            int sum = 0;
            for (Future<Integer> result : results) sum ^= result.get();
            mapped.putInt(4 * step, sum);
            client.write(ByteBuffer.wrap(("step " + step).getBytes()));
            ByteBuffer answer = ByteBuffer.allocate(100);
            client.read(answer);
            System.out.println(new String(answer.array(), 0, answer.position()) + ": " + Integer.toHexString(sum));
            Thread.sleep(200 + ThreadLocalRandom.current().nextInt(20));
        }
        pool.shutdown();
        mapped.force();
        byte[] all = new byte[1 << 20];
        mapped.get(0, all);
        System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(all)));
    }
}
