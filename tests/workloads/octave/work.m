% Power iterations, a differential equation, files.
rand("twister", 1);
a = rand(250);
state = [1; 0; 0];
lorenz = @(s) [10 * (s(2) - s(1)); s(1) * (28 - s(3)) - s(2); s(1) * s(2) - 8 / 3 * s(3)];
log = fopen("steps.txt", "w");
for step = 1:70
  a = a * a';
  a /= norm(a, 1);
  a += rand(250) / 100;
  for i = 1:200
    state += 0.002 * lorenz(state);
  end
  e = eig(a + a');
  fprintf(log, "%d %.17g\n", step, e(end));
  fflush(log);
  printf("step %d: %.17g %.17g %s\n", step, e(end), state(1), hash("md5", sprintf("%.17g", a)));
  fflush(stdout);
  pause(0.15);
end
fclose(log);
save("-binary", "a.bin", "a");
printf("%s %s\n", hash("md5", fileread("steps.txt")), mat2str(size(a)));
