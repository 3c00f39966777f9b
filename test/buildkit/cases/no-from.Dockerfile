RUN echo x
